"""What `lectures/cluster.md` tells somebody to type: its YAML, its commands, its Python, its versions and its ports."""

import importlib.util
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
from packaging.requirements import Requirement

import rlkit
from rlkit import __main__ as command_line
from rlkit.experiments import sweeps
from rlkit.running.cluster import check_address
from rlkit.running.settings import check_names

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "lectures" / "cluster.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra `cluster`)"
)


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


def documents():
    """Everything in YAML on the page, as Python reads it."""
    import yaml  # comes with Ray

    return [document for block in blocks("yaml") for document in yaml.safe_load_all(block)]


def launcher_files():
    return [document for document in documents() if "cluster_name" in document]


def kubernetes():
    """kind: document"""
    return {document["kind"]: document for document in documents() if "kind" in document}


def commands():
    """Every command of the page, in its blocks for a shell and in its YAML, as a list of words."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    if importlib.util.find_spec("ray"):
        for file in launcher_files():
            lines += [line for name, value in file.items() if name.endswith("_commands") for line in value]
    lines += re.findall(r"`((?:ray|python -m) [^`]+)`", PAGE)
    for line in lines:
        words = shlex.split(line, comments=True)
        for end in [i for i, word in enumerate(words) if word in ("&", "|", ">", ">>", "||")][:1]:
            words = words[:end]
        while words and (words[0] in ("nohup", "export") or re.match(r"[A-Z_]+=", words[0])):
            words = words[1:]
        yield from [words] if words else []


def of_ray():
    return [words[1:] for words in commands() if words[0] == "ray"]


def of_rlkit():
    """The words after `python -m rlkit`, also of a command that is handed on to a job."""
    for words in commands():
        for start in range(len(words) - 2):
            if words[start : start + 2] == ["python", "-m"] and words[start + 2].startswith("rlkit"):
                yield words[start + 2 :]


# The launcher -------------------------------------------------------------------------------------------------------


def valid(file):
    """Is this a file that `ray up` of the installed Ray takes? Raises what Ray raises if not."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(file))
    return True


@needs_ray
def test_the_files_of_the_launcher_are_valid_for_the_installed_ray():
    files = launcher_files()
    assert [file["provider"]["type"] for file in files] == ["local", "aws"]
    assert all(valid(file) for file in files)
    for file in files:
        with pytest.raises(jsonschema.ValidationError, match="'workers' was unexpected"):
            valid(file | {"workers": 3})


@needs_ray
def test_every_launched_cluster_asks_for_a_token_and_leaves_nothing_open():
    local, aws = launcher_files()
    for file in (local, aws):
        assert "~/.ray/auth_token" in file["file_mounts"].values()
        assert all(".ray/auth_token" in there for there, here in file["file_mounts"].items() if here != ".")
        assert not any("0.0.0.0" in line for name in file if name.endswith("commands") for line in file[name])
    assert any("RAY_AUTH_MODE=token" in line for line in local["setup_commands"])
    assert "--env RAY_AUTH_MODE=token" in aws["docker"]["run_options"]
    assert aws["provider"]["use_internal_ips"] and aws["provider"]["cache_stopped_nodes"] is False
    for kind in aws["available_node_types"].values():
        assert kind["node_config"]["SecurityGroupIds"] and kind["node_config"]["SubnetIds"]


# Kubernetes ---------------------------------------------------------------------------------------------------------


@needs_ray
def test_the_kubernetes_file_makes_a_closed_cluster_whose_numbers_fit():
    found = kubernetes()
    assert list(found) == ["RayCluster", "NetworkPolicy", "PersistentVolumeClaim"]
    spec = found["RayCluster"]["spec"]
    assert spec["authOptions"] == {"mode": "token"} and spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    known = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template", "serviceType"}
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert set(group) <= known
        (container,) = group["template"]["spec"]["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["image"].endswith(":" + spec["rayVersion"])
    head = spec["headGroupSpec"]["template"]["spec"]
    assert head["securityContext"] == {"fsGroup": 100}  # the group of the image's user, who has to write there
    (volume,) = head["volumes"]
    claim = found["PersistentVolumeClaim"]["metadata"]["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim
    name = found["RayCluster"]["metadata"]["name"]
    policy = found["NetworkPolicy"]["spec"]
    (rule,) = policy["ingress"]
    for selector in (policy["podSelector"], rule["from"][0]["podSelector"]):
        assert selector["matchLabels"] == {"ray.io/cluster": name}
    assert f"service/{name}-head-svc" in PAGE and f"get secret {name} " in PAGE


@needs_ray
def test_the_names_of_kubernetes_are_parameters_of_ray_start():
    for group in (
        kubernetes()["RayCluster"]["spec"]["headGroupSpec"],
        *kubernetes()["RayCluster"]["spec"]["workerGroupSpecs"],
    ):
        assert {f"--{name}" for name in group["rayStartParams"]} <= options(["start"])[0]


# Commands -----------------------------------------------------------------------------------------------------------


def options(words):
    """(the options of the command of Ray that these words name, how many words name it)"""
    from ray.scripts.scripts import cli

    command, depth = cli, 0
    while hasattr(command, "commands"):
        assert words[depth] in command.commands, f"`ray {' '.join(words)}`: there is no {words[depth]}"
        command, depth = command.commands[words[depth]], depth + 1
    return {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}, depth


@needs_ray
def test_the_commands_of_ray_have_the_options_that_the_page_gives_them():
    used = set()
    for words in of_ray():
        known, depth = options(words)
        own = words[depth : words.index("--")] if "--" in words else words[depth:]
        given = {word.partition("=")[0] for word in own if word.startswith("-")}
        assert given <= known | {"--help"}, words
        used |= {" ".join(words[:depth])}
    assert {"up", "down", "attach", "start", "stop", "get-auth-token", "job submit", "job logs"} <= used
    with pytest.raises(AssertionError, match="there is no launch"):
        options(["launch", "cluster.yaml"])


def test_the_commands_of_rlkit_are_understood():
    seen = []
    for module, *words in of_rlkit():
        seen.append(module)
        if module == "rlkit":
            if "ADDRESS" in words:
                continue
            args = command_line.parse(words)
            if args.run is command_line.run_train and len(words) > 1:  # otherwise only its name is mentioned
                command_line.check_preset(args.preset)
                check_names(rlkit.A3C, dict(args.settings))
                check_address(dict(args.settings)["cluster"])
                assert Path(args.out).expanduser().is_absolute() and Path(args.out).suffix == ".pt"
            elif args.run is command_line.run_cluster:
                check_address(args.address)
        elif module == "rlkit.experiments.scaling":
            assert importlib.util.find_spec(module) and not words
        else:
            assert module == "rlkit.experiments.sweeps" and words[0] in sweeps.SWEEPS and words[1] == "--cluster"
    assert seen.count("rlkit") >= 4 and "rlkit.experiments.sweeps" in seen


def test_the_addresses_on_the_page_are_addresses():
    addresses = re.findall(r'cluster="([^"]+)"', PAGE)
    assert {"local", "auto"} <= set(addresses)
    for address in addresses:
        check_address(address)


def test_the_python_on_the_page_runs(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(rlkit, "train", lambda agent, steps: asked.append((agent.cluster, steps)))
    for block in blocks("python"):
        exec(compile(block, "cluster.md", "exec"), {})
    assert asked == [("local", 20_000)]
    named = {"shards", "gradients_per_push", "num_workers"}
    assert all(f"`{name}" in PAGE or f"{name}=" in PAGE for name in named)
    check_names(rlkit.A3C, named)
    assert capsys.readouterr().out == "0.28 hours, 10 core-hours\n"


# Versions, ports, names ---------------------------------------------------------------------------------------------


def test_the_versions_on_the_page_are_those_that_everything_was_last_run_with():
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    named = re.findall(r"([a-z][\w-]*(?:\[default\])?)==([\d.]+)", PAGE)
    assert {name for name, _ in named} == {"torch", "gymnasium", "ale-py", "numpy", "ray[default]"}
    for name, version in named:
        if not name.startswith("ray"):
            assert version == pins[name], name
    row = re.search(r"^\| Gymnasium, ale-py, NumPy \| ([\d.]+), ([\d.]+), ([\d.]+) \|", PAGE, re.MULTILINE)
    assert row.groups() == (pins["gymnasium"], pins["ale-py"], pins["numpy"])
    assert f"| torch | {pins['torch']}," in PAGE


def test_one_version_of_ray_is_named_and_the_extra_allows_it():
    (extra,) = re.findall(r'^cluster = \["([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    image = re.findall(r"rayproject/ray:([\d.]+)-py(\d)(\d+)-cpu", PAGE)
    versions = {version for name, version in re.findall(r"(ray\[default\])==([\d.]+)", PAGE)}
    versions |= {version for version, *_ in image} | set(re.findall(r'rayVersion: "([\d.]+)"', PAGE))
    versions |= set(re.findall(r"rlkit-node:([\d.]+)$", PAGE, re.MULTILINE))
    (version,) = versions
    assert Requirement(extra).specifier.contains(version)
    (pinned,) = re.findall(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE) or [version]
    assert pinned == version
    assert {f"python{major}.{minor}" for _, major, minor in image} == set(re.findall(r"python3\.\d+", PAGE))


@needs_ray
def test_ports_variables_and_files_are_called_so_in_the_installed_ray():
    from ray._private import ray_constants
    from ray._private.authentication import authentication_token_setup as token

    ports = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert ports == [str(ray_constants.DEFAULT_PORT), str(ray_constants.DEFAULT_DASHBOARD_PORT), "10001"]
    assert token.AUTH_MODE_ENV_VAR == "RAY_AUTH_MODE" and token._get_default_token_path().parts[-2:] == (
        ".ray",
        "auth_token",
    )
    folder = Path(ray_constants.__file__).parent
    assert "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL" in (folder / "utils.py").read_text(encoding="utf-8")
    assert ray_constants.DEFAULT_CLIENT_RECONNECT_GRACE_PERIOD == 30 and "half a minute" in PAGE


@needs_ray
def test_what_the_head_offers_is_closed_by_default():
    """The page says that only the head itself reaches the dashboard, and that `ray://` needs an extra."""
    from ray.scripts.scripts import cli

    help_of = {parameter.name: parameter.help for parameter in cli.commands["start"].params}
    assert "Defaults to localhost" in " ".join(help_of["dashboard_host"].split())
    assert "None if ray[client] is not installed" in " ".join(help_of["ray_client_server_port"].split())


def test_the_page_has_all_its_sections_and_a_place_for_the_plan():
    ids = re.findall(r'^<a id="([\w-]+)"></a>$', PAGE, re.MULTILINE)
    contents = PAGE[: PAGE.index('<a id="')]
    assert ids == re.findall(r"\]\(#([\w-]+)\)", contents)
    assert '<a id="plan"></a>\n\n## A plan past these machines\n' in PAGE
    assert "lectures/cluster.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(cluster.md)" in (ROOT / "lectures" / "start.md").read_text(encoding="utf-8")
