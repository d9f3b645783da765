/* lua_run: steps from start to outcome: results, services, data, places of errors, defer, interrupts, times. */
#include "tests/unit/lua_fixture.h"

#include "core/limits.h"

struct row {
    const char *text;
    enum lua_result result;
    const char *heard; /* all that the runner heard, or NULL = not compared */
    const char *error; /* "code message", its beginning */
    int line;          /* of the error; 0 = not compared */
    const char *why;
};

static const struct row rows[] = {
    {"", LUA_RESULT_OK, "", NULL, 0, "an empty step"},
    {"log('a', 1, nil, true, {x = {1, 2}}, {})", LUA_RESULT_OK, "a 1 nil true {\"x\":[1,2]} []\n", NULL, 0,
     "log takes anything"},
    {"note('{a} of {b}, {{a}', {a = 1, b = 'two'})", LUA_RESULT_OK, "note {\"text\":\"1 of two, {a}\"}\n", NULL, 0,
     "note fills places"},
    {"note('{a}', {b = 1})", LUA_RESULT_FAILED, "", "lua the note's values have no 'a'", 31, "a place without value"},
    {"local r = ssh('db-1'):run{'echo', 'hi'}\nlog(r.stdout, r.code, r.host, r.signal)", LUA_RESULT_OK,
     "ssh.run {\"argv\":[\"echo\",\"hi\"],\"host\":\"db-1\",\"opts\":{}}\nhi 0 db-1 nil\n", NULL, 0,
     "run gives the result"},
    {"ssh('db-1'):run({'echo', 2.0, 3}, {timeout = '1m', env = {A = 1}, sudo = true, stdin = 'x\\0y', pty = true, "
     "max_output = 10, cwd = '/'})",
     LUA_RESULT_OK,
     "ssh.run "
     "{\"argv\":[\"echo\",\"2.0\",\"3\"],\"host\":\"db-1\",\"opts\":{\"cwd\":\"/"
     "\",\"env\":{\"A\":\"1\"},\"max_output\":10,\"pty\":true,"
     "\"stdin\":\"x\\u0000y\",\"sudo\":\"root\",\"timeout_ms\":60000}}\n",
     NULL, 0, "every option arrives"},
    {"ssh('db-1', {sudo = 'postgres', timeout = 5}):script('ls', {shell = 'bash', timeout = 6})", LUA_RESULT_OK,
     "ssh.script "
     "{\"host\":\"db-1\",\"opts\":{\"sudo\":\"postgres\",\"timeout_ms\":6000},\"shell\":\"bash\",\"text\":\"ls\"}\n",
     NULL, 0, "options of the handle are defaults"},
    {"\nssh('db-1'):run{'fail', 'a'}", LUA_RESULT_FAILED, NULL,
     "exit 'fail a' ended with exit code 3 on db-1: no such thing", 32, "exit code"},
    {"ssh('db-1'):run{'killed'}", LUA_RESULT_FAILED, NULL, "signal 'killed' was ended by signal KILL on db-1", 31,
     "signal"},
    {"log(ssh('db-1'):run({'fail'}, {check = false}).code)", LUA_RESULT_OK,
     "ssh.run {\"argv\":[\"fail\"],\"host\":\"db-1\",\"opts\":{\"check\":false}}\n3\n", NULL, 0, "check=false"},
    {"ssh('db-1'):run{'lost'}", LUA_RESULT_FAILED, NULL, "lost db-1: the connection was lost", 31, "service error"},
    {"local ok, e = pcall(function() ssh('db-1'):run{'fail'} end)\n"
     "log(ok, e.code, e.host, e.result.code, e.line, 'said: ' .. e, tostring(e) == e.message)",
     LUA_RESULT_OK,
     "ssh.run {\"argv\":[\"fail\"],\"host\":\"db-1\",\"opts\":{}}\n"
     "false exit db-1 3 31 said: 'fail' ended with exit code 3 on db-1: no such thing true\n",
     NULL, 0, "error values have fields"},
    {"local r = http.get('https://a.b/c', {headers = {A = 1}, timeout = '5s'})\nlog(r.status, r.headers.x, "
     "json.decode(r.body).ok)",
     LUA_RESULT_OK,
     "http {\"headers\":{\"A\":\"1\"},\"method\":\"GET\",\"timeout_ms\":5000,\"url\":\"https://a.b/c\"}\n200 y true\n",
     NULL, 0, "http.get"},
    {"http.post('http://a/x', {json = {b = {1}}})", LUA_RESULT_OK,
     "http {\"body\":\"{\\\"b\\\":[1]}\",\"headers\":{\"Content-Type\":\"application/json\"},\"method\":\"POST\","
     "\"url\":\"http://a/x\"}\n",
     NULL, 0, "http.post with JSON"},
    {"http.request{method = 'PUT', url = 'http://a', body = 'x', headers = {['content-type'] = 'text/x'}, max_bytes = "
     "9}",
     LUA_RESULT_OK,
     "http "
     "{\"body\":\"x\",\"headers\":{\"content-type\":\"text/x\"},\"max_bytes\":9,\"method\":\"PUT\",\"url\":\"http://"
     "a\"}\n",
     NULL, 0, "http.request"},
    {"http.get('http://a/404')", LUA_RESULT_FAILED, NULL,
     "http GET http://a/404 was answered with status 404: {\"ok\":true}", 31, "an answer that is an error"},
    {"log(http.get('http://a/404', {check = false}).status)", LUA_RESULT_OK, NULL, NULL, 0, "or not"},
    {"http.get('http://a/gone')", LUA_RESULT_FAILED, NULL, "unavailable GET http://a/gone: connection refused", 31,
     "no answer"},
    {"http.get('file:///etc/passwd')", LUA_RESULT_FAILED, "", "lua http.get needs a URL that begins with http://", 31,
     "another scheme"},
    {"http.get('http://a', {method = 'PUT'})", LUA_RESULT_FAILED, "", "lua unknown option 'method' of http.get", 31,
     "http.get has its method"},
    {"http.post('http://a', {json = 1, body = 'x'})", LUA_RESULT_FAILED, "",
     "lua http.post takes 'body' or 'json', not both", 31, "two bodies"},
    {"http.post('http://a', {json = {f = log}})", LUA_RESULT_FAILED, "",
     "lua option 'json' of http.post: json.f: a function", 31, "no JSON"},
    {"http.request('http://a')", LUA_RESULT_FAILED, "", "lua http.request needs a table", 31, "a URL is no request"},
    {"local s = secret('token')\nlog(#s, s == 's3cret')", LUA_RESULT_OK, "secret {\"name\":\"token\"}\n6 true\n", NULL,
     0, "secret"},
    {"secret()", LUA_RESULT_FAILED, "", "lua secret needs the name", 31, "secret without a name"},
    {"log(exec({'echo', 'x'}, {cwd = '/', env = {A = 'b'}}).stdout)", LUA_RESULT_OK,
     "exec {\"argv\":[\"echo\",\"x\"],\"opts\":{\"cwd\":\"/\",\"env\":{\"A\":\"b\"}}}\nx\n", NULL, 0, "exec"},
    {"exec({'echo'}, {sudo = true})", LUA_RESULT_FAILED, "", "lua unknown option 'sudo' of exec", 31,
     "exec without sudo"},
    {"exec('echo')", LUA_RESULT_FAILED, "", "lua exec needs a list", 31, "exec of a text"},
    {"ssh('db-1'):run({'echo'}, {tmeout = 3})", LUA_RESULT_FAILED, "",
     "lua unknown option 'tmeout' of h:run; did you mean 'timeout'?", 31, "unknown option"},
    {"ssh('db-1'):run({'echo'}, {timeout = 'soon'})", LUA_RESULT_FAILED, "",
     "lua option 'timeout' of h:run must be seconds", 31, "bad option"},
    {"ssh('db-1'):run({'echo', sudo = true})", LUA_RESULT_FAILED, "", "lua 'sudo' stands in the command", 31,
     "option among the words"},
    {"ssh('db-1'):run('echo')", LUA_RESULT_FAILED, "", "lua h:run needs a list", 31, "text is no command"},
    {"ssh('db-1'):run{}", LUA_RESULT_FAILED, "", "lua h:run needs a list", 31, "no program"},
    {"ssh('db-1'):run{'a\\0b'}", LUA_RESULT_FAILED, "", "lua argument 1 of the command holds a NUL byte", 31,
     "NUL in argv"},
    {"ssh('db-1'):run{'a', {}}", LUA_RESULT_FAILED, "", "lua argument 2 of the command is a table", 31,
     "table in argv"},
    {"ssh('db-1').run{'a'}", LUA_RESULT_FAILED, "", "lua call it with a colon", 31, "dot for colon"},
    {"ssh('db-3')", LUA_RESULT_FAILED, "", "not_in_inventory the inventory has no host 'db-3'; did you mean 'db-", 31,
     "unknown host"},
    {"ssh('vault-1')", LUA_RESULT_FAILED, "",
     "not_allowed this runbook may not touch host 'vault-1': its 'hosts' or the server's 'trust' leaves it out", 31,
     "refused host"},
    {"log(tostring(ssh('db-1.prod')), tostring(ssh('10.0.1.12')), tostring(ssh(hosts{name = 'web-1'}[1])))",
     LUA_RESULT_OK, "ssh(db-1) ssh(db-2) ssh(web-1)\n", NULL, 0, "alias, address, object"},
    {"log(ssh('db-1'):reachable())", LUA_RESULT_OK, "ssh.reachable {\"host\":\"db-1\"}\nfalse no route\n", NULL, 0,
     "reachable"},
    {"notify('chat', '{n} on {host}, {{n}', {n = 3, host = 'db-1'})", LUA_RESULT_OK,
     "notify {\"channel\":\"chat\",\"template\":\"{n} on {host}, {{n}\",\"text\":\"3 on db-1, "
     "{n}\",\"values\":{\"host\":\"db-1\",\"n\":\"3\"}}\n",
     NULL, 0, "a message"},
    {"notify('chat', 'hello')", LUA_RESULT_OK,
     "notify {\"channel\":\"chat\",\"template\":\"hello\",\"text\":\"hello\",\"values\":{}}\n", NULL, 0,
     "a message without values"},
    {"notify('chat', '{x}', {y = 1})", LUA_RESULT_FAILED, "", "lua the message's values have no 'x'", 31,
     "a message's place without value"},
    {"notify('chat')", LUA_RESULT_FAILED, "", "lua notify needs the name of a channel and a text", 31, "no text"},
    {"notify('chat', 'x', 'y')", LUA_RESULT_FAILED, "", "lua the values of notify must be a table, not string", 31,
     "values of another type"},
    {"incidents.open{key = 'k', title = 't', severity = 'SEV2', labels = {env = 'prod', n = 1}} incidents.resolve('k')",
     LUA_RESULT_OK,
     "incident "
     "{\"action\":\"open\",\"key\":\"k\",\"labels\":{\"env\":\"prod\",\"n\":\"1\"},\"severity\":\"SEV2\",\"title\":"
     "\"t\"}\n"
     "incident {\"action\":\"resolve\",\"key\":\"k\"}\n",
     NULL, 0, "an incident"},
    {"incidents.open{key = 'k', title = 't', severity = 'high'}", LUA_RESULT_FAILED, "",
     "lua option 'severity' of incidents.open must be one of SEV1 SEV2 SEV3 SEV4", 31, "a severity that is none"},
    {"incidents.open{key = 'k', titel = 't'}", LUA_RESULT_FAILED, "",
     "lua unknown option 'titel' of incidents.open; did you mean 'title'?", 31, "an unknown option"},
    {"incidents.open{title = 't'}", LUA_RESULT_FAILED, "", "lua incidents.open needs a key", 31, "no key"},
    {"incidents.open{key = 'k'}", LUA_RESULT_FAILED, "", "lua incidents.open needs a title", 31, "no title"},
    {"incidents.open{key = 'a\\nb', title = 't'}", LUA_RESULT_FAILED, "", "lua incidents.open needs a key: one line",
     31, "a key of two lines"},
    {"incidents.open{key = 'k', title = 't', labels = {runbook = 'x'}}", LUA_RESULT_FAILED, "",
     "lua the label 'runbook' of incidents.open is hikeshi's own", 31, "a label that is taken"},
    {"incidents.open('k')", LUA_RESULT_FAILED, "", "lua incidents.open needs a table", 31, "no table"},
    {"incidents.resolve()", LUA_RESULT_FAILED, "", "lua incidents.resolve needs a key", 31, "resolve of nothing"},
    {"ssh('db-1', {sudo = true, env = {A = 'b'}}):upload('x\\0y', '/etc/a', {mode = '0600', timeout = 3})",
     LUA_RESULT_OK,
     "ssh.upload {\"bytes\":\"x\\u0000y\",\"host\":\"db-1\",\"opts\":{\"mode\":\"0600\",\"sudo\":\"root\","
     "\"timeout_ms\":3000},\"path\":\"/etc/a\"}\n",
     NULL, 0, "upload: bytes as they are; of the handle's defaults what files have"},
    {"local b, r = ssh('db-1'):download('/a', {max_bytes = 9}) log(#b, b:byte(3), r.bytes, r.content)", LUA_RESULT_OK,
     "ssh.download {\"host\":\"db-1\",\"opts\":{\"max_bytes\":9},\"path\":\"/a\"}\n3 255 3 nil\n", NULL, 0, "download"},
    {"ssh('db-1'):upload('x', '/a', {mode = '644x'})", LUA_RESULT_FAILED, "", "lua option 'mode' of h:upload must be",
     31, "mode"},
    {"ssh('db-1'):upload('x', '/a', {mode = 644})", LUA_RESULT_FAILED, "", "lua option 'mode' of h:upload must be", 31,
     "a number as mode would be read as decimal"},
    {"ssh('db-1'):upload('/a')", LUA_RESULT_FAILED, "", "lua h:upload needs the path", 31, "no path"},
    {"ssh('db-1'):upload('x', '/a\\0b')", LUA_RESULT_FAILED, "", "lua the path of h:upload is empty or holds a NUL", 31,
     "NUL in the path"},
    {"ssh('db-1'):download('/a', {sha256 = 'abc'})", LUA_RESULT_FAILED, "", "lua option 'sha256' of h:download must be",
     31, "sha256"},
    {"report.metric('disk', 91, '%')\nreport.text('t', 'x', {private = true})\nreport.table('T', {'a', 'b'}, {{1, "
     "'x'}, {a = true}})",
     LUA_RESULT_OK,
     "report {\"kind\":\"metric\",\"private\":false,\"title\":\"disk\",\"unit\":\"%\",\"value\":91}\n"
     "report {\"kind\":\"text\",\"private\":true,\"text\":\"x\",\"title\":\"t\"}\n"
     "report "
     "{\"columns\":[\"a\",\"b\"],\"kind\":\"table\",\"private\":false,\"rows\":[[1,\"x\"],[true,null]],\"title\":\"T\"}"
     "\n",
     NULL, 0, "reports"},
    {"report.file('a b.bin', 'x\\0y', {private = true})", LUA_RESULT_OK,
     "report {\"content\":\"x\\u0000y\",\"kind\":\"file\",\"private\":true,\"title\":\"a b.bin\"}\n", NULL, 0,
     "a file"},
    {"report.file('../x', 'y')", LUA_RESULT_FAILED, "", "lua report.file needs a file name", 31, "a folder in a name"},
    {"report.file('x', 1)", LUA_RESULT_FAILED, "", "lua report.file needs bytes", 31, "a number is no file"},
    {"report.table('T', {'a'}, {{function() end}})", LUA_RESULT_FAILED, "",
     "lua row 1 of report.table: column 'a' is a function", 31, "a cell that is no value"},
    {"check(1 == 1, 'x')\ncheck(data.used == 3, 'still over')", LUA_RESULT_FAILED, "", "check_failed still over", 32,
     "check"},
    {"fail('no')", LUA_RESULT_FAILED, "", "failed no", 31, "fail"},
    {"sleep('90s') sleep(0.5)", LUA_RESULT_OK, "sleep {\"ms\":90000}\nsleep {\"ms\":500}\n", NULL, 0, "sleep"},
    {"sleep(-1)", LUA_RESULT_FAILED, "", "lua the duration of sleep must be", 31, "negative time"},
    {"finish('nothing to do')\nlog('no')", LUA_RESULT_FINISHED, "", NULL, 0, "finish"},
    {"pcall(function() pcall(finish, 'x') end)\nlog('no')", LUA_RESULT_FINISHED, "", NULL, 0,
     "pcall cannot swallow finish"},
    {"table.sort({3, 2, 1}, function() pcall(skip, 'x') log('no') end)", LUA_RESULT_SKIPPED, "", NULL, 0,
     "skip where Lua cannot yield"},
    {"local x = 1\n\nlocal y = nil + x", LUA_RESULT_FAILED, "", "lua attempt to perform arithmetic on a nil value", 33,
     "runtime error"},
    {"error('plain')", LUA_RESULT_FAILED, "", "lua plain", 31, "error with text"},
    {"error({code = 'exit', message = 'mine', host = 'h'})", LUA_RESULT_FAILED, "", "exit mine", 31,
     "error with fields"},
    {"error({code = 'nonsense'})", LUA_RESULT_FAILED, "", "lua table: ", 31, "unknown codes are not passed on"},
    {"error()", LUA_RESULT_FAILED, "", "lua nil", 31, "error without a value"},
    {"local x = = 1", LUA_RESULT_FAILED, "", "lua unexpected symbol", 31, "syntax"},
    {"local d = require('disk')\nlog(d.twice(4), require('disk') == d)\nd.bad()", LUA_RESULT_FAILED, "8 true\n",
     "lua attempt to perform arithmetic", 3, "module, its line"},
    {"require('net.dns') require('net.dns')", LUA_RESULT_OK, "loaded\n", NULL, 0,
     "modules run once and may call services"},
    {"require('dsk')", LUA_RESULT_FAILED, "",
     "lua unknown module 'hikeshi/lib/dsk.lua'; did you mean 'hikeshi/lib/disk.lua'", 31, "unknown module"},
    {"require('../x')", LUA_RESULT_FAILED, "", "lua require: '../x' is not a module's name", 31, "no paths"},
    {"require('loop')", LUA_RESULT_FAILED, "", "lua module 'loop' requires itself", 1, "circle"},
    {"log(params.host, params.keep_days, params.note, #incident.alerts, alert)\n"
     "for k, v in pairs(incident.alerts[1].labels) do log(k, v) end\n"
     "for i, a in ipairs(incident.alerts) do log(i, a.name) end\n"
     "log(next(incident.alerts[2].labels), incident.resolved_at, run.id, approval)",
     LUA_RESULT_OK, "db-1 7 nil 2 nil\ninstance db-1:9100\n1 A\n2 B\nnil nil run_1 nil\n", NULL, 0, "views"},
    {"local t = {1, 2, 3} log(table.remove(t), table.remove(t, 1), #t)", LUA_RESULT_OK, "3 1 1\n", NULL, 0,
     "table.remove"},
    {"log(table.concat(table.move({'a', 'b', 'c'}, 2, 3, 1, {}), ' '))", LUA_RESULT_OK, "b c\n", NULL, 0, "table.move"},
    {"log(rawset({}, 'k', 1).k) rawset(params, 'host', 'x')", LUA_RESULT_FAILED, "1\n", "lua this table is read-only",
     31, "rawset, and not on a view"},
    {"log(params.hots)", LUA_RESULT_FAILED, "", "lua unknown param 'hots'; did you mean 'host'?", 31, "unknown param"},
    {"params.host = 1", LUA_RESULT_FAILED, "", "lua params is read-only", 31, "params"},
    {"incident.alerts[1].labels.x = 1", LUA_RESULT_FAILED, "", "lua incident is read-only", 31, "deep"},
    {"rawset(incident.alerts, 1, 2)", LUA_RESULT_FAILED, "", "lua this table is read-only", 31, "rawset"},
    {"table.insert(incident.alerts, 2)", LUA_RESULT_FAILED, "", "lua incident is read-only", 31, "table.insert"},
    {"setmetatable(params, {})", LUA_RESULT_FAILED, "", "lua this table's metatable is protected", 31, "metatable"},
    {"log(incident.alerts[1], json.encode(params))", LUA_RESULT_OK,
     "{\"labels\":{\"instance\":\"db-1:9100\"},\"name\":\"A\"} {\"host\":\"db-1\",\"keep_days\":7,\"note\":null}\n",
     NULL, 0, "views are JSON"},
    {"log(#hosts(), hosts{role = 'db', env = {'stage', 'x'}}[1].name, hosts('role=web')[1].address, "
     "hosts('name=$params.host')[1].labels.env, tostring(host('db-2')))",
     LUA_RESULT_OK, "3 db-2 10.0.2.11 prod db-2\n", NULL, 0, "hosts"},
    {"log(hosts()[1].user)", LUA_RESULT_OK, "nil\n", NULL, 0, "what the runner logs in with is not for scripts"},
    {"for _, h in ipairs(hosts()) do log(h) end", LUA_RESULT_OK, "db-1\ndb-2\nweb-1\n", NULL, 0,
     "in order of the names, without jump hosts"},
    {"host('bastion')", LUA_RESULT_FAILED, "", "lua host 'bastion' is only a jump host", 31, "a jump host"},
    {"hosts('role=')", LUA_RESULT_FAILED, "", "lua host filter: column", 31, "bad filter"},
    {"host('nope')", LUA_RESULT_FAILED, "", "not_in_inventory the inventory has no host 'nope'", 31, "host"},
    {"prnt('x')", LUA_RESULT_FAILED, "", "lua unknown name 'prnt'", 31, "unknown global"},
    {"print('x')", LUA_RESULT_FAILED, "", "lua 'print' does not exist here: use log(...)", 31, "hint"},
    {"x = 1 log(x) data = {y = 2} log(data.y)", LUA_RESULT_OK, "1\n2\n", NULL, 0, "globals of the step's own"},
    {"log(json.encode({a = {}, b = json.object{}, c = json.null, d = {1, 2.5}, e = json.array{}}))", LUA_RESULT_OK,
     "{\"a\":[],\"b\":{},\"c\":null,\"d\":[1,2.5],\"e\":[]}\n", NULL, 0, "json.encode"},
    {"local v = json.decode('{\"a\":null,\"b\":{},\"c\":[1]}') log(v.a == json.null, json.encode(v), "
     "tostring(json.null))",
     LUA_RESULT_OK, "true {\"a\":null,\"b\":{},\"c\":[1]} null\n", NULL, 0, "json round trip"},
    {"json.decode('{\"a\":\\n x}')", LUA_RESULT_FAILED, "", "lua json.decode:2:", 31, "json error has a place"},
    {"json.encode({a = {b = {1, print = log}}})", LUA_RESULT_FAILED, "", "lua json.encode: value.a.b", 31, "json path"},
    {"local t = {} t.t = t json.encode(t)", LUA_RESULT_FAILED, "", "lua json.encode: value.t.t", 31, "circle"},
    {"log(base64.encode('hik\\0shi'), base64.decode('aGlrAHNoaQ==') == 'hik\\0shi', base64.decode(' aG lr ') )",
     LUA_RESULT_OK, "aGlrAHNoaQ== true hik\n", NULL, 0, "base64"},
    {"base64.decode('a*')", LUA_RESULT_FAILED, "", "lua base64.decode: byte 2", 31, "bad base64"},
    {"log(sha256('abc'))", LUA_RESULT_OK, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n", NULL, 0,
     "sha256"},
    {"log(shellquote(\"it's\"), shellquote{'a b', 1})", LUA_RESULT_OK, "'it'\\''s' 'a b' '1'\n", NULL, 0, "shellquote"},
    {"log(time.format(0), time.parse('1970-01-01T01:00:00+01:00'), time.duration('1h30m'))", LUA_RESULT_OK,
     "1970-01-01T00:00:00.000Z 0.0 5400.0\n", NULL, 0, "time"},
    {"defer(function() log('1') end) defer(function() log('2') end) log('0')", LUA_RESULT_OK, "0\n2\n1\n", NULL, 0,
     "defer order"},
    {"defer(function() log('d') end) error('x')", LUA_RESULT_FAILED, "d\n", "lua x", 31, "defer after failure"},
    {"defer(function() error('d') end)", LUA_RESULT_FAILED, "", "lua d", 31, "a failing defer fails the step"},
    {"defer(function() log('a') end) defer(function() error('d') end) error('x')", LUA_RESULT_FAILED,
     "a defer function failed: runbooks/disk.md:31: d\na\n", "lua x", 31, "the first error stays"},
    {"defer(function() finish() end)", LUA_RESULT_FAILED, "", "lua finish cannot be used in a defer function", 31,
     "finish in defer"},
    {"defer(function() log(ssh('db-1'):run{'echo', 'x'}.stdout) end) finish()", LUA_RESULT_FINISHED, NULL, NULL, 0,
     "defer calls services after finish"},
    {"log(parallel(function() return ssh('db-1'):run{'echo', 'a'}.stdout end, function() return 'b' end, function() "
     "end))",
     LUA_RESULT_OK, NULL, NULL, 0, "parallel"},
    {"parallel(function() error('p') end, function() log('other') end)", LUA_RESULT_FAILED, "other\n", "lua p", 31,
     "parallel raises after all ended"},
    {"parallel(1)", LUA_RESULT_FAILED, "", "lua parallel needs functions", 31, "parallel misuse"},
    {"local n = 0 log(retry(function() n = n + 1 if n < 3 then error('no') end return n, 'x' end, {delay = 2}))",
     LUA_RESULT_OK, "sleep {\"ms\":2000}\nsleep {\"ms\":2000}\n3 x\n", NULL, 0, "retry"},
    {"retry(function() fail('no') end, {attempts = 2})", LUA_RESULT_FAILED, "sleep {\"ms\":1000}\n", "failed no", 31,
     "retry gives up with the last error"},
    {"retry(function() end, {tries = 2})", LUA_RESULT_FAILED, "", "lua unknown option 'tries' of retry", 31,
     "retry option"},
    {"local n = 0 log(wait_until(function() n = n + 1 return n == 3 and n end, {every = '1s'}))", LUA_RESULT_OK,
     "sleep {\"ms\":1000}\nsleep {\"ms\":1000}\n3\n", NULL, 0, "wait_until"},
    {"wait_until(function() return false end, {every = 0, timeout = 0})", LUA_RESULT_FAILED, "",
     "timeout wait_until: the condition was not met within 0", 31, "wait_until gives up"},
    {"log(#ssh('db-1'):run{'echo', ('x'):rep(70000)}.stdout)", LUA_RESULT_OK, NULL, NULL, 0, "large values"},
    {"local r = each({'a', 'b'}, function(x, i) return x .. i end) log(r.a, r.b, #r.ok, #r.failed, #r.not_reached)",
     LUA_RESULT_OK, NULL, NULL, 0, "each"},
    {"local r = each(hosts('role=db'), function(h) return ssh(h):run{'echo', h.name}.stdout end, {at_once = 1}) "
     "log(r['db-1'], r['db-2'])",
     LUA_RESULT_OK,
     "ssh.run {\"argv\":[\"echo\",\"db-1\"],\"host\":\"db-1\",\"opts\":{}}\nitem "
     "{\"call\":1,\"duration_ms\":0,\"error\":null,\"name\":\"db-1\",\"result\":\"ok\"}\n"
     "ssh.run {\"argv\":[\"echo\",\"db-2\"],\"host\":\"db-2\",\"opts\":{}}\nitem "
     "{\"call\":1,\"duration_ms\":0,\"error\":null,\"name\":\"db-2\",\"result\":\"ok\"}\ndb-1 db-2\n",
     NULL, 0, "each over hosts, one at a time, every item recorded"},
    {"each({'a', 'b', 'c'}, function(x) ssh('db-1'):run{x == 'a' and 'fail' or 'echo'} end, {at_once = 1})",
     LUA_RESULT_FAILED, NULL, "exit 1 of 3 failed, 2 not started; first a: 'fail' ended with exit code 3", 31,
     "each stops after a failure"},
    {"local ok, e = pcall(each, {'a', 'b'}, function(x) fail(x) end, {stop_after = 2}) log(e.code, #e.result.failed, "
     "e.result.not_reached[1])",
     LUA_RESULT_OK, NULL, NULL, 0, "the error of each has the result"},
    {"local r = each({'a', 'b', 'c'}, function(x) if x == 'b' then fail('no') end return x end, {keep_going = true}) "
     "log(#r.ok, #r.failed, r.b.message, r.c)",
     LUA_RESULT_OK, NULL, NULL, 0, "keep_going"},
    {"local r = each({'a', 'b', 'c', 'd'}, function(x) if x == 'a' then error('no') end end, {canary = 1, at_once = "
     "4})",
     LUA_RESULT_FAILED, NULL, "lua 1 of 4 failed, 3 not started; first a: runbooks/disk.md:31: no", 31,
     "a failed canary stops the rest"},
    {"local n = 0 each({1, 2, 3, 4}, function(x) n = n + 1 if x > 1 then check(n > 1) end end, {canary = 1}) log(n)",
     LUA_RESULT_OK, NULL, NULL, 0, "a good canary"},
    {"each({1, 2, 3, 4}, function(x) fail('x') end, {max_percent = 50, at_once = 1})", LUA_RESULT_FAILED, NULL,
     "failed 2 of 4 failed, 2 not started", 31, "max_percent"},
    {"local n, most = 0, {} each({1, 2, 3, 4, 5, 6}, function(x) n = n + 1 sleep(0) most[x] = n n = n - 1 end, {waves "
     "= {1, "
     "'50%'}, at_once = 9}) log(table.concat(most, ' '))",
     LUA_RESULT_OK, NULL, NULL, 0, "waves"},
    {"each({1, 2, 3, 4}, function(x) check(x ~= 2) end, {waves = {1}, stop_after = 1, at_once = 9})", LUA_RESULT_FAILED,
     NULL, "check_failed 1 of 4 failed, 2 not started", 31, "no wave after a failure"},
    {"each({1, 2}, log, {waves = {'101%'}})", LUA_RESULT_FAILED, "", "lua option 'waves' of each must be a list", 31,
     "a wave that is none"},
    {"each({1, 2}, log, {waves = {1}, canary = 1})", LUA_RESULT_FAILED, "", "lua give each canary or waves", 31,
     "waves and canary"},
    {"local r = each({}, fail) log(#r.ok)", LUA_RESULT_OK, "0\n", NULL, 0, "each of nothing"},
    {"local r = each({'ok', 'failed'}, function(x) return 1 end) log(#r.ok, #r.failed)", LUA_RESULT_OK, NULL, NULL, 0,
     "hosts with awkward names"},
    {"each({1}, log, {at_onec = 1})", LUA_RESULT_FAILED, "",
     "lua unknown option 'at_onec' of each; did you mean 'at_once'?", 31, "each option"},
    {"each('x', log)", LUA_RESULT_FAILED, "", "lua each needs a list", 31, "each misuse"},
    {"each({1, 2}, function(x) each({3, 4}, function(y) log(x, y) end, {at_once = 1}) end, {at_once = 1})",
     LUA_RESULT_OK, NULL, NULL, 0, "each in each"},
    {"pcall = nil ipairs = nil type = nil each({1}, function() end)", LUA_RESULT_OK, NULL, NULL, 0,
     "std does not use the step's globals"},
    {"table.sort({2, 1}, function() each({1}, log) end)", LUA_RESULT_FAILED, "",
     "lua each and parallel cannot be used inside a callback", 31, "each where Lua cannot yield"},
    {"log(xpcall(function(a) return a, ssh('db-1'):run{'echo', 'y'}.stdout end, log, 'x'))", LUA_RESULT_OK, NULL, NULL,
     0, "xpcall"},
    {"log(xpcall(error, function(e) return 'h ' .. e end, 'x')) log(xpcall(function() sleep(0) error('y', 0) end, "
     "function(e) return 'h ' .. e, 2 end))",
     LUA_RESULT_OK, "false h x\nsleep {\"ms\":0}\nfalse h y\n", NULL, 0, "xpcall's handler, also after a service"},
    {"ssh('db-1'):run{'fail', ('x'):rep(5000), 'y'}", LUA_RESULT_FAILED, NULL, "exit 'fail xxxxxxx", 31,
     "a long command in a message"},
    {"local t = {'fail'} for i = 2, 100 do t[i] = i end ssh('db-1'):run(t)", LUA_RESULT_FAILED, NULL,
     "exit 'fail 2 3 4", 31, "many words in a message"},
    {"note(('{a}'):rep(3000), {a = ('x'):rep(1000)})", LUA_RESULT_OK, NULL, NULL, 0, "a long note"},
    {"log(#shellquote{('a'):rep(3000), 'b', ('c'):rep(9000)})", LUA_RESULT_OK, "12009\n", NULL, 0, "long words"},
    {"table.sort({2, 1}, function(a, b) log('in sort') return a < b end)", LUA_RESULT_OK, NULL, NULL, 0,
     "services work where Lua cannot yield"},
    {"log((('abc'):gsub('b', function() return ssh('db-1'):run{'echo', 'X'}.stdout end)))", LUA_RESULT_OK, NULL, NULL,
     0, "services in a gsub callback"},
};

static void test_table(void **state)
{
    (void)state;
    struct fixture f;
    int failures = 0;
    fixture_open(&f, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const struct row *row = &rows[i];
        fixture_run(&f, row->text);
        char *error = g_strdup_printf("%s %s", f.code ? f.code : "", f.error ? f.error : "");
        if (f.result != row->result || (row->heard && strcmp(row->heard, f.heard->str) != 0) ||
            (row->error && !g_str_has_prefix(error, row->error)) || (row->line && row->line != f.line))
            failures++, print_error("row: %s: result %d, error '%s' at %s:%d, heard:\n%s", row->why, (int)f.result,
                                    error, f.file, f.line, f.heard->str);
        g_free(error);
    }
    fixture_close(&f);
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
