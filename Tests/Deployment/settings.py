"""Asks the service whether all that it is delivered with sets is a setting: an unknown or malformed one is an error that names it.

  settings.py EXECUTABLE       from the top of the checkout
"""
import json
import os
import re
import subprocess
import sys
import tempfile

import yaml

executable = sys.argv[1]
hexadecimal = "0" * 64


def check(name, variables, arguments=()):
    outcome = subprocess.run(
        [executable, "config", *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "HOME": "/", **variables})
    if outcome.returncode != 0:
        sys.exit(f"{name}: {outcome.stdout}")
    print(f"{name}: all settings are known")
    return outcome.stdout


image = dict(re.findall(r"^ENV (\w+)=(.*)$", open("Dockerfile").read(), re.M))
composed = yaml.safe_load(open("compose.yaml"))["services"]["transom"]["environment"]
check("compose.yaml", {**image, **composed})

deployment = next(one for one in yaml.safe_load_all(open("deploy/kubernetes/transom.yaml")) if one["kind"] == "Deployment")
given = {"DATABASE_URL": "postgres:///app", "TRANSOM_KEYS_WEB_SHA256": hexadecimal}
container = deployment["spec"]["template"]["spec"]["containers"][0]
variables = {one["name"]: one.get("value", given.get(one["name"])) for one in container["env"]}
check("deploy/kubernetes/transom.yaml", {**image, **variables})

check("deploy/transom.yaml", {}, ["--config", "deploy/transom.yaml"])
# What stands there in comments is a setting, too.
text = re.sub(r"^#(?=[a-z]+:|  )", "", open("deploy/transom.yaml").read(), flags=re.M).replace("…", hexadecimal)
# RFC 7517, appendix A.1.
key = {"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
       "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "kid": "1"}
with tempfile.TemporaryDirectory() as folder:
    os.mkdir(f"{folder}/transactions")
    with open(f"{folder}/jwks.json", "w") as file:
        json.dump({"keys": [key]}, file)
    with open(f"{folder}/transom.yaml", "w") as file:
        file.write(text.replace("/etc/transom", folder))
    effective = check("deploy/transom.yaml with its comments", {}, ["--config", f"{folder}/transom.yaml"])
    assert "db.example" in effective and "web" in effective, effective

# The unit names the file, and the folder that systemd makes for the service.
unit = dict(re.findall(r"^(\w+)=(.+)$", open("deploy/systemd/transom.service").read(), re.M))
words = unit["ExecStart"].split()
assert words[:2] == ["/usr/bin/transom", "serve"], words
check("deploy/systemd/transom.service", {}, ["deploy/transom.yaml" if word.startswith("/etc/") else word for word in words[2:]])
assert words[-1].startswith("/var/lib/" + unit["StateDirectory"] + "/")
