-- Sends the Authorization header of a request to Latchkey, and stores the response in variables of the transaction.
local function first(headers, name)
  local values = headers and headers[name]
  return values and (values[0] or values[1]) or ""
end

core.register_action("latchkey", { "http-req" }, function(txn, address)
  -- Only the token: Latchkey needs no other header of the client.
  local asked = {}
  local authorization = first(txn.http:req_get_headers(), "authorization")
  if authorization ~= "" then asked["authorization"] = { authorization } end
  local answer = core.httpclient():get({ url = address, headers = asked, timeout = 5000 })
  txn:set_var("txn.latchkey_status", answer and answer.status or 0)
  for variable, name in pairs({ subject = "x-latchkey-subject", role = "x-latchkey-role", challenge = "www-authenticate" }) do
    txn:set_var("txn.latchkey_" .. variable, first(answer and answer.headers, name))
  end
end, 1)
