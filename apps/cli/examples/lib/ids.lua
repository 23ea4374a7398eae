local ids = {}

-- Order numbers grow by one and are never given out twice.
function ids.next_order(db)
  return db:query_value("select nextval('order_numbers')")
end

return ids
