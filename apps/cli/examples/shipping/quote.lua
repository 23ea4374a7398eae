local function handle(request)
  for _, zone in ipairs(request.zones) do
    for _, country in ipairs(zone.countries) do
      if country == request.country then
        return zone.price
      end
    end
  end
  return nil, "nothing is shipped to " .. request.country
end

return { handle = handle }
