local json = require("json")
local events = {}

function events.publish(topic, name, payload)
  return { topic = topic, name = name, body = json.encode(payload) }
end

return events
