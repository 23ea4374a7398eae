return {
  get = function(request) return request.carts.get(request.id) end,
  add = function(request) return request.carts.put(request.id, request.product, request.quantity or 1) end,
  remove = function(request) return request.carts.put(request.id, request.product, 0) end
}
