# The sessions reference's "Complete Session Lifecycle", literally.

# 1. Create session
SESSION_ID=$(curl -s -X POST http://localhost:9090/api/sessions \
  -H "Content-Type: application/json" \
  -d '{"product":"MyApp","version":"1.0.0"}' \
  | jq -r '.id')

# 2. Update state
curl -X POST http://localhost:9090/api/sessions/$SESSION_ID/state \
  -H "Content-Type: application/json" \
  -d '{"status":"running","user":"alice"}'

# 3. Log event
curl -X POST http://localhost:9090/api/sessions/$SESSION_ID/events \
  -H "Content-Type: application/json" \
  -d '{"name":"startup","data":{"config":"prod"}}'

# 4. Log metric
curl -X POST http://localhost:9090/api/sessions/$SESSION_ID/metrics \
  -H "Content-Type: application/json" \
  -d '{"name":"memory_mb","value":512.5}'

# 5. Send heartbeat
curl -X POST http://localhost:9090/api/sessions/$SESSION_ID/heartbeat

# 6. End session
curl -X POST http://localhost:9090/api/sessions/$SESSION_ID/end

# 7. Retrieve session
curl http://localhost:9090/api/sessions/$SESSION_ID | jq .
