local function one_of(name)
  return function(request)
    return request.accounts[name](request.body)
  end
end

return {
  register = one_of("register"),
  login = one_of("login"),
  logout = one_of("logout"),
  reset_password = one_of("reset_password"),
  profile = one_of("profile"),
  update_profile = one_of("update_profile"),
  addresses = one_of("addresses")
}
