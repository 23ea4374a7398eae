local money = require("money")

local function of(cart)
  local sum = { amount = 0, currency = cart.currency }
  for _, line in ipairs(cart.lines) do
    sum = money.add(sum, money.times(line.price, line.quantity))
  end
  return sum
end

return { of = of }
