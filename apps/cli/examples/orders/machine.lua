local function main(order, event, states)
  local next_state = (states.transitions[order.state] or {})[event]
  if not next_state then
    return nil, "an order that is " .. order.state .. " cannot " .. event
  end
  return next_state
end

return { main = main }
