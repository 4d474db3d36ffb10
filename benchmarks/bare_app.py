"""A FastAPI application that does nothing, served as ours is: the limit of whatever is served over HTTP."""

import sys

import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()
_ANSWER = b'{"success":true,"status":"ok"}'


@app.get("/constant")
async def constant() -> Response:
    """Answer the same bytes."""
    return Response(_ANSWER, media_type="application/json")


@app.post("/body")
async def body(request: Request) -> Response:
    """Read the body and answer the same bytes."""
    await request.body()
    return Response(_ANSWER, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="warning", access_log=False
    )
