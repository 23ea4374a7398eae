-- Three functions of one file: each entry names its method.
local function publish(request, name)
  return request.events.publish("catalog_events", name, { id = request.id })
end

return {
  create = function(request) return publish(request, "created") end,
  update = function(request) return publish(request, "updated") end,
  archive = function(request) return publish(request, "archived") end
}
