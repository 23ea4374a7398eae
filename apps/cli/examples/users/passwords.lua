local crypto = require("crypto")

return {
  hash = function(password, cost) return crypto.argon2(password, cost) end,
  matches = function(password, hash) return crypto.verify(password, hash) end
}
