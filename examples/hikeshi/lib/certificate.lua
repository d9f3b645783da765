-- certificate: when TLS certificates end. Used by steps: local certificate = require("certificate")
local certificate = {}

local months = {Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12}

-- What openssl x509 says: "notAfter=Dec  4 05:35:08 2026 GMT", "subject=CN = shop.example.com", "issuer=...".
local function describe(text)
    local month, day, clock, year = text:match("notAfter=(%a+)%s+(%d+) ([%d:]+) (%d+) GMT")
    check(months[month], "openssl named no date in: " .. text)
    local ends = time.parse(string.format("%d-%02d-%02dT%sZ", year, months[month], day, clock))
    return {ends = time.format(ends), days = math.floor((ends - time.now()) / 86400), issuer = text:match("issuer=([^\n]*)")}
end

--- The certificate that `host` serves to clients that ask for `name`: {ends, days, issuer}.
function certificate.served(host, name)
    local answer = ssh(host):run{"openssl", "s_client", "-connect", "127.0.0.1:443", "-servername", name}
    return describe(ssh(host):run({"openssl", "x509", "-noout", "-enddate", "-issuer"}, {stdin = answer.stdout}).stdout)
end

--- The certificate in a file on `host`.
function certificate.file(host, path)
    return describe(ssh(host):run({"openssl", "x509", "-noout", "-enddate", "-issuer", "-in", path}, {sudo = true}).stdout)
end

return certificate
