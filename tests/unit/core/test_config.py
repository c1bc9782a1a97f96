"""The project file: the documented form is accepted, every mistake is named with its remedy."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest

from zkdescent.core.config import divisors_of, load_project, parse_config
from zkdescent.core.errors import ConfigError

DOCUMENTED = """
[project]
name = "diagnosis"
[model]
factory = "model.py:build"
args = { in_features = 10 }
[data]
source = "csv"
path = "rows.csv"
features = ["a", "b"]
target = "y"
standardize = true
validation = 0.2
[train]
loss = "mse"
optimizer = "sgd"
learning_rate = 0.05
batch_size = 32
steps = 64
seed = 0
[circuit]
backend = "ezkl"
fraction_bits = 12
steps_per_proof = "auto"
[chain]
rpc = "tester"
"""
MINIMAL = """
[project]
name = "p"
[model]
factory = "package.module:build"
[data]
source = "sklearn"
name = "iris"
[train]
learning_rate = 0.1
batch_size = 8
steps = 12
"""


def changed(old: str, new: str) -> str:
    assert old in DOCUMENTED
    return DOCUMENTED.replace(old, new, 1)


def test_the_documented_project_file_is_accepted() -> None:
    config = parse_config(DOCUMENTED)
    assert config.model.args == {"in_features": 10}
    assert config.data.features == ("a", "b")
    assert config.train.loss == "mse"


def test_defaults() -> None:
    config = parse_config(MINIMAL)
    assert (config.data.standardize, config.data.validation, config.data.delimiter) == (
        True,
        0.2,
        ",",
    )
    assert (config.train.loss, config.train.optimizer, config.train.seed) == ("mse", "sgd", 0)
    assert (config.train.early_stopping, config.train.evaluate_every) == (0, 1)
    assert (config.circuit.backend, config.circuit.fraction_bits) == ("ezkl", 12)
    assert (config.circuit.steps_per_proof, config.circuit.logrows) == ("auto", "auto")
    assert config.chain.rpc == "tester"
    assert (config.chain.seed, config.chain.seed_delay) == ("auto", "auto")
    assert config.train.momentum_value == 0.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"auto"', "8"),
        ('"mse"', '"bce"'),
        ('"mse"', '"loss.py:huber"'),
        ('"sgd"', '"momentum"'),
        ('"sgd"', '"momentum"\nmomentum = 0.5'),
        ('"sgd"', '"sgd"\nweight_decay = 0.1'),
        ('"sgd"', '"nesterov"\nmomentum = 0.5'),
        ('"sgd"', '"adagrad"\nepsilon = 1e-3\ninitial_accumulator = 0.1'),
        ('"sgd"', '"rmsprop"\nalpha = 0.9\nepsilon = 1e-3'),
        ('"sgd"', '"adam"\nbeta1 = 0.8\nbeta2 = 0.99\nepsilon = 1e-3'),
        ('"sgd"', '"adamw"\nweight_decay = 0.1'),
        ('"sgd"', '"lamb"\nweight_decay = 0'),
        ('"sgd"', '"signsgd"'),
        ('"sgd"', '"lion"\nbeta1 = 0.0'),
        ("seed = 0", "l1 = 0.001\nl2 = 0.01\nclip_value = 1.0"),
        ("seed = 0", "clip_norm = 1"),
        ("seed = 0", 'schedule = { kind = "step", step_size = 30 }'),
        ("seed = 0", 'schedule = { kind = "exponential", gamma = 0.99 }'),
        ("seed = 0", 'schedule = { kind = "cosine", t_max = 10, eta_min = 0.001 }'),
        ("seed = 0", 'schedule = { kind = "cosine", warmup_steps = 63 }'),
        ("seed = 0", '[train.schedule]\nkind = "constant"\nwarmup_steps = 4'),
        ('"mse"', '"hinge"'),
        ('"mse"', '"cross_entropy"'),
        ('["a", "b"]', "2"),
        ('"y"', '["y", "z"]'),
        ('source = "csv"\npath = "rows.csv"', 'source = "npz"\npath = "rows.npz"'),
        ('"y"', '"y"\ndelimiter = ";"'),
        ("fraction_bits = 12", "fraction_bits = 8\nlogrows = 15"),
        ('"tester"', '"anvil"'),
        ('"tester"', '"tester"\nreward = "0.25 ether"\ndeadline = 2030-01-01T00:00:00+02:00'),
        ('"tester"', '"https://node.example/key"\nkey_env = "DEPLOYER_KEY"\nseed = "beacon"'),
        ('"tester"', '"http://127.0.0.1:8545"\nkeystore = "key.json"\nseed_delay = 64'),
        ("validation = 0.2", "validation = 0"),
        ("standardize = true", "standardize = true\nstandardize_targets = true"),
        ("seed = 0", "seed = 0\nearly_stopping = 3\nevaluate_every = 2"),
    ],
)
def test_allowed_variants(old: str, new: str) -> None:
    parse_config(changed(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("steps = 64", "stpes = 64", "unknown key [train] stpes", "did you mean 'steps'?"),
        ("[chain]", "[chian]", "unknown table [chian]", "did you mean 'chain'?"),
        ("rpc =", "rpcs =", "unknown key [chain] rpcs", "did you mean 'rpc'?"),
        ("seed = 0", "qqq = 0", "unknown key [train] qqq", "known keys: loss, optimizer"),
        ("steps = 64\n", "", "[train] steps is missing", "add 'steps'"),
        ("[project]\nname", "[model2]\nname", "unknown table", "did you mean 'model'?"),
        ('name = "diagnosis"', "name = diagnosis", "not TOML", "quotes"),
        ("steps = 64", "steps = 64\nsteps = 64", "not TOML", ""),
    ],
)
def test_mistakes_in_keys_come_with_a_remedy(old: str, new: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed(old, new))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


def test_a_misspelling_does_not_also_report_its_right_spelling() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed("steps = 64", "stpes = 64"))
    assert caught.value.hint == "did you mean 'steps'?"


def test_a_second_mistake_is_mentioned() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed("batch_size = 32\nsteps = 64", "batch_size = 0\nsteps = 0"))
    assert "also look at train.steps" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("learning_rate = 0.05", "learning_rate = nan", "learning_rate"),
        ("learning_rate = 0.05", "learning_rate = inf", "learning_rate"),
        ("learning_rate = 0.05", "learning_rate = -0.1", "learning_rate"),
        ("learning_rate = 0.05", "learning_rate = 0.0", "learning_rate"),
        ("batch_size = 32", 'batch_size = "32"', "batch_size"),
        ("batch_size = 32", "batch_size = 0", "batch_size"),
        ("batch_size = 32", "batch_size = 32.0", "batch_size"),
        ("steps = 64", "steps = -64", "steps"),
        ("steps = 64", "steps = true", "steps"),
        ("seed = 0", "seed = -1", "seed"),
        ("seed = 0", "early_stopping = -1", "early_stopping"),
        ("seed = 0", "momentum = 0.5", "momentum"),
        ('"sgd"', '"adamax"', "optimizer"),
        ('"sgd"', '"adam"\nmomentum = 0.5', "momentum"),
        ('"sgd"', '"adam"\nalpha = 0.5', "alpha"),
        ('"sgd"', '"adam"\nbeta1 = 1.0', "beta1"),
        ('"sgd"', '"adam"\nbeta2 = -0.1', "beta2"),
        ('"sgd"', '"adam"\nepsilon = 0.0', "epsilon"),
        ('"sgd"', '"rmsprop"\nbeta2 = 0.5', "beta2"),
        ('"sgd"', '"rmsprop"\nalpha = 1.0', "alpha"),
        ('"sgd"', '"adagrad"\ninitial_accumulator = -1.0', "initial_accumulator"),
        ('"sgd"', '"adam"\ninitial_accumulator = 0.1', "initial_accumulator"),
        ('"sgd"', '"lion"\nepsilon = 1e-8', "epsilon"),
        ('"sgd"', '"adamw"\nweight_decay = -0.01', "weight_decay"),
        ('"sgd"', '"nesterov"\nmomentum = 0.0', "momentum"),
        ("seed = 0", "l1 = -0.1", "l1"),
        ("seed = 0", "l2 = nan", "l2"),
        ("seed = 0", "clip_value = 0.0", "clip_value"),
        ("seed = 0", "clip_norm = -1.0", "clip_norm"),
        ("seed = 0", "clip_norm = 1.0\nclip_value = 1.0", "clip_norm"),
        ("seed = 0", 'schedule = "cosine"', "schedule"),
        ("seed = 0", 'schedule = { kind = "linear" }', "kind"),
        ("seed = 0", "schedule = { gamma = 0.5 }", "gamma"),
        ("seed = 0", 'schedule = { kind = "step" }', "step_size"),
        ("seed = 0", 'schedule = { kind = "step", step_size = 0 }', "step_size"),
        ("seed = 0", 'schedule = { kind = "exponential" }', "gamma"),
        ("seed = 0", 'schedule = { kind = "exponential", gamma = 1.0 }', "gamma"),
        ("seed = 0", 'schedule = { kind = "exponential", gamma = 0.5, t_max = 3 }', "t_max"),
        ("seed = 0", 'schedule = { kind = "cosine", step_size = 3 }', "step_size"),
        ("seed = 0", 'schedule = { kind = "cosine", t_max = 0 }', "t_max"),
        ("seed = 0", 'schedule = { kind = "cosine", eta_min = 0.05 }', "eta_min"),
        ("seed = 0", "schedule = { warmup_steps = 64 }", "warmup_steps"),
        ("seed = 0", "schedule = { warmup_steps = -1 }", "warmup_steps"),
        ('"sgd"', '"momentum"\nmomentum = 1.0', "momentum"),
        ('"sgd"', '"momentum"\nmomentum = nan', "momentum"),
        ('"mse"', '"mae"', "loss"),
        ("validation = 0.2", "validation = 1.0", "validation"),
        ("validation = 0.2", "validation = nan", "validation"),
        ('["a", "b"]', "0", "features"),
        ('["a", "b"]', "[]", "features"),
        ('["a", "b"]', "[1]", "features"),
        ('target = "y"\n', "", "target"),
        ('path = "rows.csv"\n', "", "path"),
        ('path = "rows.csv"', 'path = "rows.csv"\nname = "iris"', "name"),
        ('source = "csv"', 'source = "sql"', "source"),
        ('source = "csv"\npath = "rows.csv"', 'source = "factory"\nfactory = "data"', "factory"),
        ('target = "y"', 'target = "y"\ndelimiter = ";;"', "delimiter"),
        ('"mse"', '"bce"\n[data.x]', "data"),
        ('"model.py:build"', '"model.py"', "factory"),
        ('"model.py:build"', '"model.py:"', "factory"),
        ("in_features = 10", "in_features = nan", "args"),
        ("in_features = 10", "in_features = 2020-01-01", "args"),
        ("fraction_bits = 12", "fraction_bits = 7", "fraction_bits"),
        ("fraction_bits = 12", "fraction_bits = 17", "fraction_bits"),
        ('"ezkl"', '"plonky2"', "backend"),
        ('"ezkl"', '"ezkl"\nzero_knowledge = false', "zero_knowledge"),
        ('"ezkl"', '"barretenberg"\nzero_knowledge = "no"', "zero_knowledge"),
        ('"auto"', "0", "steps_per_proof"),
        ('"auto"', '"all"', "steps_per_proof"),
        ('"tester"', '"testnet"', "rpc"),
        ('"tester"', '"tester"\nseed = "random"', "seed"),
        ('"tester"', '"tester"\nseed_delay = 1', "seed_delay"),
        ('"tester"', '"tester"\nseed_delay = 201', "seed_delay"),
        ('"tester"', '"tester"\nreward = "1 eth"\ndeadline = 2030-01-01T00:00:00Z', "reward"),
        ('"tester"', '"tester"\nreward = 5\ndeadline = 2030-01-01T00:00:00Z', "reward"),
        ('"tester"', '"tester"\nreward = "0.5 wei"\ndeadline = 2030-01-01T00:00:00Z', "reward"),
        ('"tester"', '"tester"\nreward = "1 wei"', "deadline"),
        ('"tester"', '"tester"\ndeadline = 2030-01-01T00:00:00', "deadline"),
        ('"tester"', '"tester"\ndeadline = 1960-01-01T00:00:00Z', "deadline"),
        ('"tester"', '"tester"\ndeadline = "tomorrow"', "deadline"),
        ('"tester"', '"anvil"\nkey_env = "A"\nkeystore = "k.json"', "keystore"),
        ('"tester"', '"anvil"\nkey_env = "not a name"', "key_env"),
        ('"diagnosis"', '"../x"', "name"),
    ],
)
def test_values_out_of_range_are_refused_by_name(old: str, new: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed(old, new), path="here/zkdescent.toml")
    assert key in caught.value.message or key in (caught.value.hint or "")
    assert caught.value.hint
    assert caught.value.path == "here/zkdescent.toml"


def test_only_barretenberg_can_do_without_zero_knowledge() -> None:
    asked = changed('"ezkl"', '"ezkl"\nzero_knowledge = false')
    with pytest.raises(ConfigError) as caught:
        parse_config(asked)
    assert caught.value.message == "[circuit] zero_knowledge is not allowed"
    assert caught.value.expected == "true, because backend = 'ezkl'"
    assert caught.value.got is False
    assert parse_config(DOCUMENTED).circuit.zero_knowledge
    assert not parse_config(asked.replace('"ezkl"', '"barretenberg"')).circuit.zero_knowledge


def test_steps_per_proof_that_does_not_divide_names_the_divisors() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed('"auto"', "5"))
    assert caught.value.message == "[circuit] steps_per_proof is not allowed"
    assert caught.value.expected == "a divisor of steps = 64: 1, 2, 4, 8, 16, 32, 64"
    assert caught.value.got == 5
    assert divisors_of(12) == (1, 2, 3, 4, 6, 12)


@pytest.mark.parametrize("loss", ["bce", "hinge", "cross_entropy"])
def test_standardized_targets_do_not_go_with_classes(loss: str) -> None:
    text = changed('"mse"', f'"{loss}"').replace(
        "standardize =", "standardize_targets = true\nstandardize ="
    )
    with pytest.raises(ConfigError, match="standardize_targets") as caught:
        parse_config(text)
    assert loss in str(caught.value.expected)
    parse_config(text.replace(f'"{loss}"', '"huber"'))


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ('"sgd"', '"adam"\nbeta_1 = 0.5', "[train] beta_1", "did you mean 'beta1'?"),
        ("seed = 0", "wieght_decay = 0.5", "[train] wieght_decay", "'weight_decay'"),
        (
            "seed = 0",
            'schedule = { kind = "cosine", tmax = 3 }',
            "[train] schedule.tmax",
            "did you mean 't_max'?",
        ),
    ],
)
def test_misspelt_settings_of_the_update_come_with_a_remedy(
    old: str, new: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed(old, new))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_settings_of_another_optimizer_are_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(changed('"sgd"', '"adam"\nmomentum = 0.5'))
    assert caught.value.message == "[train] momentum is not allowed"
    assert caught.value.expected == "nothing, because optimizer = 'adam'"


def test_optimizer_settings_are_as_given_or_torchs_defaults() -> None:
    settings = parse_config(changed('"sgd"', '"adam"\nbeta1 = 0.8')).train.optimizer_settings
    assert settings == {"beta1": 0.8, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}
    assert parse_config(changed('"sgd"', '"nesterov"')).train.momentum_value == 0.9
    assert parse_config(DOCUMENTED).train.optimizer_settings == {"weight_decay": 0.0}


@pytest.mark.parametrize(("rate", "bits"), [(1e-4, 12), (1.9e-3, 8), (7e-6, 16)])
def test_a_learning_rate_that_rounds_to_zero_is_refused(rate: float, bits: int) -> None:
    text = changed("learning_rate = 0.05", f"learning_rate = {rate}")
    with pytest.raises(ConfigError, match="learning_rate") as caught:
        parse_config(text.replace("fraction_bits = 12", f"fraction_bits = {bits}"))
    assert f"2^-{bits + 1}" in str(caught.value.expected)
    enough = changed("learning_rate = 0.05", f"learning_rate = {2.0 ** -(bits + 1)}")
    parse_config(enough.replace("fraction_bits = 12", f"fraction_bits = {bits}"))


@pytest.mark.parametrize(
    ("schedule", "kept"),
    [
        ('{ kind = "exponential", gamma = 0.9 }', "gamma = 0.95"),
        ('{ kind = "step", step_size = 20, gamma = 0.1 }', "gamma = 0.15"),
    ],
)
def test_a_decay_that_ends_in_zero_is_refused(schedule: str, kept: str) -> None:
    with pytest.raises(ConfigError, match=r"schedule.gamma") as caught:
        parse_config(changed("seed = 0", f"schedule = {schedule}"))
    assert "a last learning rate of" in str(caught.value.got)
    slower = schedule.replace("gamma = 0.9 ", f"{kept} ").replace("gamma = 0.1 ", f"{kept} ")
    parse_config(changed("seed = 0", f"schedule = {slower}"))


def test_a_private_key_in_the_file_is_refused_and_never_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = "0x" + "5ec2e7" * 10 + "abcd"
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError) as caught:
        parse_config(changed('"tester"', f'"anvil"\nkey_env = "{key}"'))
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.diagnostics()
    assert "never belongs in this file" in shown
    assert key not in shown + str(caught.value.to_json()) + caplog.text


def test_load_project_names_a_missing_directory_and_file(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ConfigError) as caught:
            load_project(directory)
        assert "zkdescent init" in (caught.value.hint or "")


def test_load_project_refuses_bytes_that_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "zkdescent.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_project(tmp_path)


def test_load_project_resolves_paths_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "zkdescent.toml").write_text(DOCUMENTED)
    project = load_project(tmp_path)
    assert project.resolve("rows.csv") == (tmp_path / "rows.csv").resolve()
    assert project.store_directory == tmp_path.resolve() / ".zkdescent"
    assert not project.store_directory.exists()


def test_config_digest_ignores_spelling_and_chain_but_not_the_statement(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "zkdescent.toml").write_text(text)
        return load_project(tmp_path).config_sha256

    base = digest(DOCUMENTED)
    assert digest("# a comment\n" + DOCUMENTED) == base
    assert digest(changed("seed = 0\n", "")) == base  # the default, not spelled out
    assert digest(changed('"tester"', '"anvil"')) == base
    assert digest(changed("learning_rate = 0.05", "learning_rate = 0.06")) != base
    assert digest(changed("fraction_bits = 12", "fraction_bits = 13")) != base
    assert digest(changed("seed = 0", "schedule = { warmup_steps = 2 }")) != base
