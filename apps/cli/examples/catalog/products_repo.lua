local sql = require("sql")
local products = {}

function products.page(db, page)
  return db:query("select * from products where not archived and id > $1 order by id limit $2", page.after or 0, page.limit)
end

function products.by_slug(db, slug)
  return db:query_row("select * from products where slug = $1", slug)
end

return products
