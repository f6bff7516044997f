"""A site document without fault, and one fault at a time: what is changed in it and every line that is then said."""

from __future__ import annotations

GOOD = """\
site: {id: house, name: House, timezone: Europe/Zurich}
devices:
  - {id: door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
  - {id: eye, type: motion, mqtt: {topic: b/eye, on: MOVES, off: STILL}}
  - {id: siren, type: siren, mqtt: {topic: b/siren, on: ON, off: OFF, command: {topic: b/siren/set, on: A, off: B}}}
  - {id: warm, type: temperature, mqtt: {topic: b/warm, field: temperature}}
  - id: cam
    type: camera
    rtsp: {url: "rtsp://10.0.0.9/main", user: porter, password: {secret: cam-lobby}}
schedules:
  night: {weekly: [{days: [mon-fri], from: 22:00, to: 06:00}]}
rules:
  - id: alarm
    name: Door at night
    when: {event: contact.opened, device: door}
    if:
      - {schedule: night}
      - {not: {recent: {event: motion.started, device: eye, within: 30s}}}
      - any: [{state: {device: eye, is: on}}, {state: {device: door, is: closed}}]
    then:
      - open_incident: {severity: high, title: "{{ device.name }} opened"}
      - save_clip: {cameras: [cam], pre: 5s}
      - command: {device: siren, set: on, for: 1m30s}
      - pulse: {device: siren}
      - notify: {policy: guards}
"""

NAME = "is not a name; use small letters, digits and single hyphens, as in server-room-door"

# What is replaced, by what, and every line that is then said. One mistake each.
BAD: dict[str, tuple[str, str, list[str]]] = {
    # YAML itself
    "a tab": (
        "schedules:\n",
        "schedules:\n\t",
        ["11:1: this is not YAML: a tab stands here; indent with spaces"],
    ),
    "a bracket open": (
        "[cam], pre: 5s}",
        "[cam, pre: 5s}",
        ["22:43: this is not YAML: expected ',' or ']', but got '}'; what it stands in opens in line 22, column 30"],
    ),
    "a colon missing": (
        "schedules:\n",
        "schedules\n",
        ["10:1: this is not YAML: a key ends with a colon and a space, and this one does not"],
    ),
    "a quotation mark open": (
        'opened"}',
        "opened}",
        ["21:48: this is not YAML: the quotation mark that opens here is never closed"],
    ),
    "a line indented too little": (
        "    when: {event",
        "   when: {event",
        [
            "15:4: this is not YAML: this line begins in column 4, and nothing it can belong to does; indent it as its"
            " neighbours"
        ],
    ),
    "a line indented too much": (
        "    when: {event",
        "      when: {event",
        [
            "15:11: this is not YAML: no key can stand here; it is indented unlike its neighbours, or a text with a"
            " colon in it needs quotes"
        ],
    ),
    "a rule without its dash": (
        "  - {id: warm",
        "  {id: warm",
        ["6:3: this is not YAML: an item of a list begins with a dash and a space, and this one does not"],
    ),
    "a device without its dash": (
        "  - id: cam",
        "  id: cam",
        ["7:3: this is not YAML: the list of line 3 goes on here, and its items begin with a dash and a space"],
    ),
    "a blank without quotes": (
        'title: "{{ device.name }} opened"',
        "title: {{ device.name }} opened",
        [
            "21:66: this is not YAML: expected ',' or '}', but got '<scalar>'; what it stands in opens in line 21,"
            " column 24; a text with {{ ... }} in it needs quotes around it"
        ],
    ),
    "two meanings of one value": (
        "open: false, closed: true",
        "open: true, closed: true",
        ["3:5: devices.0: contact door: `open` and `closed` are the same value in mqtt"],
    ),
    "an alias": (
        "device: siren}\n",
        "device: *x}\n",
        ["24:25: *x refers to another place; write it out instead"],
    ),
    "a tag": ("id: house", "id: !!binary aGk=", ["1:12: site.id: the tag !!binary is not used here"]),
    "an own tag": (
        "[mon-fri]",
        "!week [mon-fri]",
        ["11:27: schedules.night.weekly.0.days: the tag !week is not used here"],
    ),
    "two documents": (
        "schedules:",
        "---\nschedules:",
        ["10:1: this is not YAML: a second document begins here; a file holds one"],
    ),
    "a key twice": (
        "name: House,",
        "name: House, name: House,",
        ["1:32: site.name: stands here twice (first in line 1)"],
    ),
    "a number as key": ("night: {", "7: {", ["11:3: schedules: the key '7' is read as a number; put it in quotes"]),
    "true as key": (
        "night: {",
        "true: {",
        ["11:3: schedules: the key 'true' is read as true or false; put it in quotes"],
    ),
    "nothing as key": ("night: {", "~: {", ["11:3: schedules: the key '~' is read as nothing; put it in quotes"]),
    "a list as key": ("night: {", "? [a]\n  : {", ["11:5: schedules: a key is text, not a list or a mapping"]),
    "NUL": ("House", "Ho\0use", ["1:27: this is not YAML: the character U+0000 may not stand here"]),
    "NUL escaped": ("House", '"Ho\\0use"', ["1:25: site.name: this text has a NUL or half a character in it"]),
    "half a character": ("House", "Ho\ud800use", ["1:27: this is not YAML: the character U+D800 may not stand here"]),
    "half a character escaped": (
        "House",
        '"Ho\\ud800use"',
        ["1:25: site.name: this text has a NUL or half a character in it"],
    ),
    "a number beyond 64 bits": ("House", "9" * 19 + "9", ["1:25: site.name: this number is too large"]),
    "a number of 10,000 digits": ("House", "9" * 10_000, ["1:25: site.name: this number is too large"]),
    "a number beyond doubles": ("House", "1e999", ["1:25: site.name: this number is too large"]),
    # keys
    "an unknown key": (
        "timezone:",
        "timzone:",
        [
            "1:32: site.timzone: is not a known key here (known: id, name, timezone, latitude, longitude);"
            " did you mean timezone?"
        ],
    ),
    "a key of another place": (
        "pre: 5s",
        "severity: high",
        ["22:37: rules.0.then.1.save_clip.severity: is not a known key here (known: cameras, pre, post)"],
    ),
    "an unknown key inside two lists": (
        "{days: [mon-fri], from",
        "{days: [mon-fri], form",
        [
            "11:20: schedules.night.weekly.0: from is missing",
            "11:38: schedules.night.weekly.0.form: is not a known key here (known: days, from, to); did you mean from?",
        ],
    ),
    "a missing key": ("name: House, ", "", ["1:1: site: name is missing"]),
    "a missing key in a list": ("    name: Door at night\n", "", ["13:5: rules.0: name is missing"]),
    # values
    "a number for text": (
        "name: House",
        "name: 7",
        ["1:25: site.name: 7 stands where text is expected; put it in quotes"],
    ),
    "a list for text": ("name: House", "name: [a]", ["1:25: site.name: a list stands where text is expected"]),
    "nothing for text": ("name: House", "name: ", ["1:24: site.name: nothing stands where text is expected"]),
    "text for a list": (
        "cameras: [cam]",
        "cameras: cam",
        ["22:30: rules.0.then.1.save_clip.cameras: 'cam' stands where a list is expected; write [cam]"],
    ),
    "text for a mapping": (
        '{severity: high, title: "{{ device.name }} opened"}',
        "high",
        ["21:24: rules.0.then.0.open_incident: 'high' stands where a mapping (key: value) is expected"],
    ),
    "a mapping for a choice": (
        "open: false",
        "open: {a: b}",
        [
            "3:75: devices.0.mqtt.open: a mapping stands where true or false, a whole number, a number or text is"
            " expected"
        ],
    ),
    "an empty text": ("name: House", 'name: ""', ["1:25: site.name: this may not be empty"]),
    "a long text": ("name: House", f"name: {'H' * 121}", ["1:25: site.name: this has at most 120 characters"]),
    "an empty list": ("[cam]", "[]", ["22:30: rules.0.then.1.save_clip.cameras: this list needs an item"]),
    "a word almost right": (
        "severity: high",
        "severity: hihg",
        [
            "21:35: rules.0.then.0.open_incident.severity: 'hihg' is not one of low, medium, high, critical;"
            " did you mean high?"
        ],
    ),
    "a word quite wrong": (
        "type: siren",
        "type: fan",
        [
            "5:23: devices.2.type: 'fan' is not one of contact, motion, glass, smoke, heat, co, water, button, input,"
            " keypad, reader, siren, output, lock, temperature, humidity, camera"
        ],
    ),
    "a name with capitals": ("id: house", "id: House", [f"1:12: site.id: 'House' {NAME}"]),
    "a name that climbs": (
        "secret: cam-lobby",
        "secret: ../../root",
        [f"9:74: devices.4.rtsp.password.secret: '../../root' {NAME}"],
    ),
    "a name as key": ("night: {", "Night: {", [f"11:3: schedules.Night: 'Night' {NAME}"]),
    "a duration without unit": (
        "within: 30s",
        "within: 30",
        ["18:69: rules.0.if.1.not.recent.within: '30' is not a duration; write for example 10s, 1m30s, 2h or 30d"],
    ),
    "a duration of years": (
        "within: 30s",
        "within: 9000h",
        ["18:69: rules.0.if.1.not.recent.within: '9000h' is longer than a year"],
    ),
    "a clip too long": (
        "pre: 5s",
        "pre: 3m",
        ["22:20: rules.0.then.1.save_clip: a clip has at most 2m before and 10m after its cause"],
    ),
    "a time of day": (
        "from: 22:00",
        "from: 24:30",
        [
            "11:44: schedules.night.weekly.0.from: '24:30' is not a time of day; write for example 07:30, or"
            " 24:00 for the"
            " end of the day"
        ],
    ),
    "a day": (
        "[mon-fri]",
        "[mon-fry]",
        [
            "11:28: schedules.night.weekly.0.days.0: 'mon-fry' is not a day; write mon, tue, wed, thu, fri, sat,"
            " sun, holiday or a range"
            " as mon-fri"
        ],
    ),
    "a time zone": (
        "Europe/Zurich",
        "Europe/Zuerich",
        ["1:42: site.timezone: 'Europe/Zuerich' is not a time zone; write for example Europe/Zurich or UTC"],
    ),
    "a folder as time zone": (
        "Europe/Zurich",
        "Europe",
        ["1:42: site.timezone: 'Europe' is not a time zone; write for example Europe/Zurich or UTC"],
    ),
    "a topic with a wildcard": (
        "b/warm",
        "b/+",
        [
            "6:49: devices.3.mqtt.topic: 'b/+' is not a topic; it has no #, no + and no spaces, as in"
            " building/front-door"
        ],
    ),
    "an address of another kind": (
        "rtsp://10.0.0.9/main",
        "http://10.0.0.9/main",
        [
            "9:17: devices.4.rtsp.url: this is not a camera's address; write rtsp://HOST:PORT/PATH, with user"
            " and password"
            " apart"
        ],
    ),
    "a blank nobody can fill": (
        "{{ device.name }}",
        "{{ door.name }}",
        [
            "21:48: rules.0.then.0.open_incident.title: {{ door.name }} cannot be filled in here; known: device.id,"
            " device.name, subject.id, subject.name, site.id, site.name, rule.id, rule.name, event.kind, event.device"
        ],
    ),
    "a blank not closed": (
        "{{ device.name }}",
        "{{ device.name }",
        ["21:48: rules.0.then.0.open_incident.title: a blank is not closed; write {{ device.name }}"],
    ),
    # rules
    "an event nobody tells": (
        "event: contact.opened",
        "event: contact.open",
        [
            "15:19: rules.0.when.event: 'contact.open' is not an event a rule can listen to; did you mean"
            " contact.opened?"
        ],
    ),
    "two conditions in one": (
        "{schedule: night}",
        "{schedule: night, state: {device: door, is: open}}",
        [
            "17:9: rules.0.if.0: a condition is exactly one of schedule, recent, state, value, reading, field, not,"
            " all, any"
        ],
    ),
    "a condition without its value": (
        "{schedule: night}",
        "schedule:",
        ["17:9: rules.0.if.0: schedule has nothing after it"],
    ),
    "an empty any": (
        "any: [{state: {device: eye, is: on}}, {state: {device: door, is: closed}}]",
        "any: []",
        ["19:14: rules.0.if.2.any: this list needs an item"],
    ),
    "two actions in one": (
        "{device: siren}\n",
        "{device: siren}\n        command: {device: siren, set: on}\n",
        [
            "24:9: rules.0.then.3: an action is exactly one of open_incident, append_incident, save_clip, command,"
            " pulse, notify, arm, bypass, wake"
        ],
    ),
    "an action without its value": (
        "notify: {policy: guards}",
        "notify:",
        ["25:9: rules.0.then.4: notify has nothing after it"],
    ),
    "two incidents": (
        "- pulse: {device: siren}",
        "- open_incident: {severity: low, title: x}",
        ["13:5: rules.0: a rule opens at most one incident"],
    ),
    "two policies": (
        "- pulse: {device: siren}",
        "- notify: {policy: owner}",
        ["13:5: rules.0: a rule notifies by one policy; who is told, and when, is the policy's affair"],
    ),
    "footage without an incident": (
        '      - open_incident: {severity: high, title: "{{ device.name }} opened"}\n',
        "",
        ["13:5: rules.0: save_clip and notify belong to an incident: add open_incident to this rule"],
    ),
    # devices
    "a contact that says not which is which": (
        "open: false, ",
        "",
        ["3:5: devices.0: contact door: say in mqtt what is `open` and what is `closed`"],
    ),
    "a detector that says not which is which": (
        "on: MOVES, ",
        "",
        ["4:5: devices.1: motion eye: say in mqtt what is `on` and what is `off`"],
    ),
    "a siren without command": (
        ", command: {topic: b/siren/set, on: A, off: B}",
        "",
        ["5:5: devices.2: siren siren: say in mqtt.command where to publish what"],
    ),
    "a camera over mqtt": (
        "type: contact",
        "type: camera",
        ["3:5: devices.0: camera door needs rtsp (url, user, password), and nothing else"],
    ),
    "a contact over rtsp": (
        "type: camera",
        "type: contact",
        ["7:5: devices.4: contact cam needs mqtt (topic, field, values), and nothing else"],
    ),
    # names used and not defined, and rules that could never hold
    "two devices of one name": (
        "id: eye,",
        "id: door,",
        [
            "4:10: devices.1.id: 'door' is used by two devices",
            "18:56: rules.0.if.1.not.recent.device: 'eye' is no device of this site; known: cam, door, siren, warm",
            "19:32: rules.0.if.2.any.0.state.device: 'eye' is no device of this site; known: cam, door, siren, warm",
        ],
    ),
    "a topic read whole by two": (
        "b/siren, on: ON",
        "b/eye, on: ON",
        ["5:44: devices.2.mqtt.topic: topic 'b/eye' is read whole by two devices; give each its `field`"],
    ),
    "a device almost right": (
        "contact.opened, device: door",
        "contact.opened, device: dor",
        ["15:43: rules.0.when.device: 'dor' is no device of this site; did you mean door?"],
    ),
    "a schedule almost right": (
        "{schedule: night}",
        "{schedule: nigth}",
        ["17:20: rules.0.if.0.schedule: 'nigth' is no schedule of this site; did you mean night?"],
    ),
    "a camera that is a siren": (
        "cameras: [cam]",
        "cameras: [cam, siren]",
        ["22:36: rules.0.then.1.save_clip.cameras.1: 'siren' is no camera of this site; known: cam"],
    ),
    "a siren that is a camera": (
        "command: {device: siren",
        "command: {device: cam",
        ["23:27: rules.0.then.2.command.device: 'cam' is no siren or output of this site; known: siren"],
    ),
    "a pulse of nothing": (
        "pulse: {device: siren}",
        "pulse: {device: horn}",
        ["24:25: rules.0.then.3.pulse.device: 'horn' is no siren or output of this site; known: siren"],
    ),
    "an event this device never tells": (
        "contact.opened, device: door",
        "contact.opened, device: siren",
        [
            "15:19: rules.0.when.event: siren is a siren and never tells contact.opened (it tells battery.low,"
            " battery.restored, device.lost, device.restored, mains.lost, mains.restored, output.reported,"
            " reading.battery, tamper.closed, tamper.opened)"
        ],
    ),
    "a state this device never has": (
        "{device: door, is: closed}",
        "{device: door, is: off}",
        ["19:74: rules.0.if.2.any.1.state.is: door is never off: it is closed, open, unknown"],
    ),
    "a state of a thermometer": (
        "{device: door, is: closed}",
        "{device: warm, is: closed}",
        ["19:74: rules.0.if.2.any.1.state.is: warm is never closed: it has no state, only readings"],
    ),
    "a siren off for a while": (
        "set: on, for: 1m30s",
        "set: off, for: 1m30s",
        ["23:49: rules.0.then.2.command.for: after this time siren would be switched on again: leave `for` out"],
    ),
}
