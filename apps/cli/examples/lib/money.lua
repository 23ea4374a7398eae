local money = {}

function money.add(a, b)
  assert(a.currency == b.currency, "two currencies")
  return { amount = a.amount + b.amount, currency = a.currency }
end

function money.times(a, quantity)
  return { amount = a.amount * quantity, currency = a.currency }
end

return money
