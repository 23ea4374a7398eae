return function(query, config)
  local size = math.min(tonumber(query.size) or config.page_size, config.max_page_size)
  return { limit = size, after = query.after }
end
