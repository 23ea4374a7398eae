local products = require("products")
local pagination = require("pagination")

local function handle(request)
  return products.page(request.db, pagination(request.query, request.config))
end

return { handle = handle }
