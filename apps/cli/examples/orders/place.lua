local orders = require("orders")
local events = require("events")

local function handle(request)
  local order = orders.create(request.cart)
  local ok, reason = request.payments.authorize(order.id, order.total)
  if not ok then
    return nil, reason
  end
  return events.publish("order_events", "placed", { id = order.id })
end

return { handle = handle }
