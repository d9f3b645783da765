"""Documents are left alone: a thousand of them, with the front matter of Hugo and Jekyll and commands for people, give no step and no error."""
import json
import random
import subprocess

from .support.server import HIKESHI

FRONT = [
    '+++\ntitle = "Page %d"\ndate = 2021-05-06T07:08:09Z\nweight = 3\n[params]\nhosts = "all"\n[[menu.main]]\nname = "x"\n+++\n',
    "---\ntitle: Page %d\nlayout: post\npermalink: /:year/:title/\ntags: [a, b]\nweight: 20\ndraft: true\n---\n",
    "---\ntitle: Page %d\nparams: {host: 1}\nhosts: [a]\ntriggers: never\nlimits: 3\nid: 7\nsecrets: {a: b}\ncovers: no\naliases: /old/\n---\n",
    '---\ntitle: "Page %d\nlayout: {{ page.layout }}\n\tbad: [\n---\n',
    "---\ntitle: {%% if site.x %%}Page %d{%% endif %%}\n<<: *nothing\n---\n",
    '{"title": "Page %d", "weight": 3}\n',
    "---\ntitle: Page %d\nnot closed\n",
    "---\r\ntitle: Page %d\r\nowner: [a]\r\n---\r\n",
    "\ufeff---\ntitle: Page %d\n---\n",
    "<!-- page %d -->\n",
    "",
]
BLOCKS = [
    "```sh\nsudo systemctl restart web\n```\n",
    "```sh {linenos=table,hl_lines=[2],linenostart=10}\nkubectl get pods | grep step=\n```\n",
    '```bash {.numberLines startFrom="3"}\nrm -rf /tmp/x\n```\n',
    "~~~lua\nfor i = 1, 2 do print(i) end\n~~~\n",
    "```lua title=\"x.lua\"\nerror('not run')\n```\n",
    "````markdown\n```sh {step=example}\nuptime\n```\n````\n",
    "{{< highlight sh >}}\nls {step=a}\n{{< /highlight >}}\n",
    "    sh {step=indented}\n",
    "> ```yaml\n> a: [b\n> ```\n",
    "1. ```console\n   $ df -h\n   ```\n",
    "Write `{step=ID}` behind the language, and `hikeshi: 1` on top.\n",
    "{% raw %}\n```sh\necho {{ x }}\n```\n{% endraw %}\n",
    "| a | `b {step=c}` |\n|---|---|\n",
    "```sh\nnever closed\n",
]


def documents(count, seed=20211121):
    rng = random.Random(seed)
    for number in range(count):
        front = rng.choice(FRONT)
        body = "".join(rng.choice(BLOCKS) + "\n" for _ in range(rng.randrange(6)))
        yield f"section-{number % 17}/page-{number}.md", (front % number if "%d" in front else front) + f"\n# Page {number}\n\n" + body


def test_lint_leaves_them_alone(tmp_path):
    for name, text in documents(1000):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, newline="")
    done = subprocess.run([HIKESHI, "lint", "--format", "json"], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["findings"]) == (0, []), answer["findings"][:5]
    assert (answer["documents"], answer["runbooks"], answer["steps"]) == (1000, 0, 0)


def test_a_server_serves_them_as_documents(site):
    site.publish({f"runbooks/{name}": text for name, text in documents(300)})
    assert site.server.items("/findings") == [] and site.server.items("/runbooks?kind=runbook") == []
    page = site.server.get("/runbooks?kind=document&limit=500")
    assert len(page["items"]) == 300 and page["next"] is None
