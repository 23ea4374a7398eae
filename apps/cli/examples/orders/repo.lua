local sql = require("sql")
local orders = {}

function orders.by_id(db, id)
  return db:query_row("select * from orders where id = $1", id)
end

function orders.of_user(db, user, page)
  return db:query("select * from orders where user_id = $1 order by placed_at desc limit $2", user, page.limit)
end

function orders.set_state(db, id, state)
  return db:execute("update orders set state = $2 where id = $1", id, state)
end

return orders
