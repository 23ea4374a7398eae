return {
  authorize = function(request) return request.provider.authorize(request.key, request.amount) end,
  capture = function(request) return request.provider.capture(request.key, request.amount) end,
  refund = function(request) return request.provider.refund(request.key, request.amount) end
}
