-- Asks Latchkey about the Authorization header of a request, and keeps the answer in variables of the transaction.
local function first(headers, name)
  local values = headers and headers[name]
  return values and (values[0] or values[1]) or ""
end

core.register_action("latchkey", { "http-req" }, function(txn, address)
  -- The token alone: what else a client sends is none of Latchkey's business.
  local asked = {}
  local authorization = first(txn.http:req_get_headers(), "authorization")
  if authorization ~= "" then asked["authorization"] = { authorization } end
  local answer = core.httpclient():get({ url = address, headers = asked, timeout = 5000 })
  txn:set_var("txn.latchkey_status", answer and answer.status or 0)
  for variable, name in pairs({ subject = "x-latchkey-subject", role = "x-latchkey-role", challenge = "www-authenticate" }) do
    txn:set_var("txn.latchkey_" .. variable, first(answer and answer.headers, name))
  end
end, 1)
