"""What GitHub's runner makes of a step's log: workflow commands, as docs.github.com describes them and the runner's own reader
takes them, until ::stop-commands::TOKEN and from ::TOKEN:: on."""
COMMANDS = {"error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "stop-commands", "echo", "save-state", "set-output"}


def unescape_data(text):
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def unescape_property(text):
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")


def parse(line):
    """(name, properties, data) of a line that is a command, else None; "##[name]data" counts anywhere in a line."""
    line = line.lstrip()
    if line.startswith("::") and "::" in line[2:]:
        head, _, data = line[2:].partition("::")
        name, _, rest = head.partition(" ")
        pairs = [pair.split("=", 1) for pair in rest.strip().split(",") if "=" in pair]
        return name, {key: unescape_property(value) for key, value in pairs}, unescape_data(data)
    if "##[" in line and "]" in line.partition("##[")[2]:
        head, _, data = line.partition("##[")[2].partition("]")
        return head.partition(" ")[0], {}, data
    return None


def read(log):
    """The commands that take effect, and the text lines."""
    commands, lines, stop = [], [], None
    for line in log.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        command = parse(line)
        if stop is not None:
            if command and command[0] == stop:
                stop = None
            else:
                lines.append(line)
        elif command and command[0] == "stop-commands":
            stop = command[2]
            assert len(stop) >= 16 and stop not in COMMANDS
        elif command and command[0] in COMMANDS:
            commands.append(command)
        else:
            lines.append(line)
    assert stop is None, "commands stay stopped after the step"
    return commands, lines
