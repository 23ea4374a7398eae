local ledger = {}

-- Positive: money that came in. Negative: money that went back.
function ledger.write(db, payment, amount)
  return db:execute("insert into ledger (payment_id, amount, at) values ($1, $2, now())", payment, amount)
end

return ledger
