"""The commands that need no node: keys, contacts, settings, receipts, drafts (interfaces 1.6)."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chain.address import account_text
from chain.crypto import public_key, sha256, verify
from chain.file_signature import file_bytes, sign_file
from cli import wijk
from tests.shapes import SHAPES, check_shape
from wallet.keystore import TEST_ONLY, create, save_new

VECTORS = Path(__file__).parent.parent / "vectors"
TX_VECTOR: dict[str, Any] = json.loads((VECTORS / "tx.json").read_text())
RECEIPT = VECTORS / "receipt.tlog-proof"
POLICY = VECTORS / "receipt-policy.json"
AT = "2026-01-01T00:00:00.000Z"
PASSPHRASE = "een lange wachtzin"

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [
        name for name in os.environ if name.startswith("WIJK_") and name != "WIJK_TESTDATA"
    ]:
        monkeypatch.delenv(name)
    folder = tmp_path / "client"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("WIJK_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    word = tmp_path / "word"
    word.write_text(PASSPHRASE + "\n")
    word.chmod(0o600)
    return folder


@pytest.fixture
def run(home: Path) -> Run:
    def go(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(wijk, list(words), **options)

    return go


def make_key(home: Path, name: str, byte: int = 0) -> str:
    key_file = create(
        name, bytes([byte]) * 32, PASSPHRASE, TEST_ONLY, created_at=AT, test_only=True
    )
    save_new(home, key_file)
    return key_file.account


def good(result: Result, shape: str) -> dict[str, Any]:
    """Return the one object on stdout, of its shape."""
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("\n")
    assert result.stdout.count("\n") == 1
    tree: dict[str, Any] = json.loads(result.stdout)
    check_shape(tree, SHAPES[shape], shape)
    return tree


def refused(result: Result, exit_code: int, code: int) -> dict[str, Any]:
    """Return the problem object: last line of stderr, with nothing on stdout (1.3)."""
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    tree: dict[str, Any] = json.loads(result.stderr.splitlines()[-1])
    check_shape(tree, SHAPES["problem"], "problem")
    assert tree["code"] == f"WIJK-{code}"
    assert tree["nothing_sent"] is True
    return tree


# ------------------------------------------------------------------------------------- keys


def test_keys_add_shows_no_words_unless_asked(run: Run, home: Path) -> None:
    words = ("--passphrase-file", "word", "-o", "json")
    plain = good(run("keys", "add", "anna", *words), "keys add")
    shown = good(run("keys", "add", "bram", "--words", "12", "--show-words", *words), "keys add")

    assert plain["words"] is None
    assert len(shown["words"]) == 12
    assert (home / "keys" / "anna.json").stat().st_mode & 0o777 == 0o600


def test_words_make_the_same_key_again(run: Run, home: Path) -> None:
    account = make_key(home, "anna")
    exported = run("keys", "export", "anna", "--words", "--passphrase-file", "word", "-o", "json")
    words = json.loads(exported.stdout)["words"]
    sheet = home.parent / "sheet"
    sheet.write_text(" ".join(words))
    sheet.chmod(0o600)

    checked = run("keys", "check-backup", "anna", "--words-file", "sheet", "-o", "json")

    assert len(words) == 24
    assert json.loads(checked.stdout)["backed_up"] is True
    assert json.loads(checked.stdout)["account"] == account


def test_keys_list_in_every_format(run: Run, home: Path) -> None:
    make_key(home, "anna", 1)
    make_key(home, "bram", 2)

    page = good(run("keys", "list", "-o", "json"), "keys list")
    lines = run("keys", "list", "-o", "jsonl").stdout.splitlines()
    table = run("keys", "list", "-o", "csv").stdout_bytes.decode()
    text = run("keys", "list").stdout

    assert [item["name"] for item in page["items"]] == ["anna", "bram"]
    assert [json.loads(line) for line in lines] == page["items"]
    assert table.splitlines()[0] == "name,account,public_key,backed_up,created_at"
    assert table.count("\r\n") == 3
    assert text.splitlines()[0].split() == ["naam", "rekening", "bewaard"]


def test_keys_show_rename_export_import_and_delete(run: Run, home: Path) -> None:
    account = make_key(home, "anna")
    assert good(run("keys", "show", "anna", "--qr", "-o", "json"), "keys show")["qr"] == account
    assert (
        run("keys", "show", "anna", "--pub").stdout.strip()
        == json.loads(run("keys", "show", "anna", "-o", "json").stdout)["public_key"]
    )

    assert run("keys", "rename", "anna", "annie").exit_code == 0
    assert run("keys", "export", "annie", "copy.json").exit_code == 0
    assert Path("copy.json").stat().st_mode & 0o777 == 0o600
    refused(run("keys", "delete", "annie", "-o", "json"), 2, 1001)  # nobody to ask
    assert run("keys", "delete", "annie", "--yes").exit_code == 0
    refused(run("keys", "show", "annie", "-o", "json"), 3, 1003)
    assert run("keys", "import", "copy.json", "--name", "anna").exit_code == 0
    assert good(run("keys", "show", "anna", "-o", "json"), "keys show")["account"] == account


def test_a_file_is_signed_apart_and_every_change_is_seen(
    run: Run, home: Path, tmp_path: Path
) -> None:
    account = make_key(home, "anna", 1)
    Path("notulen.txt").write_text("besluit 7")
    word = ("--passphrase-file", str(tmp_path / "word"))

    signed = json.loads(run("keys", "sign", "notulen.txt", *word, "-o", "json").stdout)
    checked = json.loads(run("keys", "verify", "notulen.txt", "-o", "json").stdout)

    assert signed["signature"] == "notulen.txt.sig.json"
    assert (checked["account"], checked["name"], checked["ok"]) == (account, "anna", True)
    assert "getekend door anna" in run("keys", "verify", "notulen.txt").stdout
    refused(run("keys", "sign", "notulen.txt", *word, "-o", "json"), 2, 1001)
    refused(run("keys", "verify", "er-niet", "-o", "json"), 12, 3007)
    path = Path("notulen.txt.sig.json")
    made = json.loads(path.read_text())
    for name, value in (
        ("signature", "00" * 64), ("signature", made["signature"][:-1]), ("public_key", "00" * 32),
        ("sha256", "ab" * 32), ("format", "wijk/file-signature/2"), ("more", 1),
    ):  # fmt: skip
        path.write_text(json.dumps({**made, name: value}))
        refused(run("keys", "verify", "notulen.txt", "-o", "json"), 8, 5001)
    path.write_text(json.dumps(made))
    Path("notulen.txt").write_text("besluit 8")
    refused(run("keys", "verify", "notulen.txt", "-o", "json"), 8, 5001)


def test_what_is_signed_of_a_file_is_fixed() -> None:
    """ADR 0032: golden bytes; deterministic Ed25519 over them."""
    seed = bytes([1]) * 32
    made = sign_file(b"besluit 7", public_key(seed).hex(), seed)

    assert file_bytes(sha256(b"besluit 7")) == (
        b"\x92\xabwijk.file.1\xc4\x20" + sha256(b"besluit 7")
    )
    assert verify(public_key(seed), file_bytes(sha256(b"besluit 7")), bytes.fromhex(made.signature))


def test_passwd_wraps_the_same_key_under_another_passphrase(run: Run, home: Path) -> None:
    account = make_key(home, "anna")
    fresh = home.parent / "fresh"
    fresh.write_text("een andere wachtzin")
    fresh.chmod(0o600)

    changed = run(
        "keys", "passwd", "anna", "--passphrase-file", "word", "--new-passphrase-file", "fresh"
    )
    old = run("keys", "export", "anna", "--words", "--passphrase-file", "word", "-o", "json")
    new = run("keys", "export", "anna", "--words", "--passphrase-file", "fresh", "-o", "json")

    assert changed.exit_code == 0
    refused(old, 3, 1004)
    assert json.loads(new.stdout)["account"] == account


def test_a_passphrase_is_no_argument_and_no_variable(run: Run, home: Path) -> None:
    """reliability W34, KS3."""
    make_key(home, "anna")

    refused(run("keys", "export", "anna", "--words", "--passphrase", "x", "-o", "json"), 2, 1001)
    refused(
        run("keys", "export", "anna", "--words", "-o", "json", env={"WIJK_PASSPHRASE": PASSPHRASE}),
        2,
        1001,
    )


def test_unsafe_key_files_are_refused(run: Run, home: Path) -> None:
    """reliability W34: readable by others, a folder, a FIFO, a link."""
    make_key(home, "anna")
    path = home / "keys" / "anna.json"
    kept = home.parent / "kept.json"
    shutil.copy(path, kept)

    path.chmod(0o644)
    assert refused(run("keys", "show", "anna", "-o", "json"), 3, 1007)["params"]["cause"] == "mode"
    path.unlink()
    path.mkdir()
    refused(run("keys", "show", "anna", "-o", "json"), 3, 1007)
    path.rmdir()
    os.mkfifo(path, 0o600)
    refused(run("keys", "show", "anna", "-o", "json"), 3, 1007)
    path.unlink()
    path.symlink_to(kept)
    refused(run("keys", "show", "anna", "-o", "json"), 3, 1007)


def test_a_passphrase_file_that_others_can_read_is_refused(run: Run, home: Path) -> None:
    make_key(home, "anna")
    Path("word").chmod(0o640)

    refused(
        run("keys", "export", "anna", "--words", "--passphrase-file", "word", "-o", "json"), 3, 1007
    )


def test_a_passphrase_may_come_by_descriptor(home: Path) -> None:
    make_key(home, "anna")
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    os.close(writing)

    words = ["keys", "export", "anna", "--words", "--passphrase-fd", str(reading), "-o", "json"]
    result = CliRunner().invoke(wijk, words)

    os.close(reading)
    assert result.exit_code == 0


# --------------------------------------------------------------------------------- contacts


def test_contacts_add_list_and_remove(run: Run, home: Path) -> None:
    account = make_key(home, "anna")

    assert run("contacts", "add", "Bakker Jansen", account).exit_code == 0
    page = good(run("contacts", "list", "-o", "json"), "contacts list")
    assert [(item["name"], item["account"]) for item in page["items"]] == [
        ("Bakker Jansen", account)
    ]
    assert run("contacts", "verify", "Bakker Jansen", "--yes", "-o", "json").exit_code == 0
    assert run("contacts", "rm", "Bakker Jansen").exit_code == 0
    refused(run("contacts", "rm", "Bakker Jansen", "-o", "json"), 2, 1006)


def test_an_id_one_letter_off_is_reported_as_such(run: Run, home: Path) -> None:
    """reliability W33."""
    account = make_key(home, "anna")
    wrong = account[:-1] + ("q" if account[-1] != "q" else "p")

    problem = refused(run("contacts", "add", "x", wrong, "-o", "json", "--lang", "en"), 2, 1006)

    assert problem["params"]["cause"] == "checksum"
    assert "a letter was mistyped" in problem["detail"]


# --------------------------------------------------------------------------------- receipts


def test_receipt_verify_proves_the_golden_receipt(run: Run, home: Path) -> None:
    """interfaces 5.3."""
    shutil.copy(POLICY, home / "policy.json")

    tree = good(run("receipt", "verify", str(RECEIPT), "-o", "json"), "receipt")

    assert tree["ok"] is True
    assert tree["tx"] == TX_VECTOR["tx"]
    assert tree["payment"]["memo"] == "Brood"
    assert tree["payment"]["memo_matches"] is True
    assert tree["signatures"] == {"valid": 3, "needed": 3, "of": 4, "unknown": 0}


def test_receipt_text_in_both_languages(run: Run) -> None:
    words = ("receipt", "verify", str(RECEIPT), "--policy", str(POLICY))

    assert "Bedrag: € 12,50" in run(*words).stdout
    assert "Amount: €12.50" in run(*words, "--lang", "en").stdout


@pytest.mark.parametrize("damage", ["cut", "memo", "empty", "binary", "folder"])
def test_receipt_verify_ends_with_8_and_a_reason(run: Run, tmp_path: Path, damage: str) -> None:
    """interfaces 1.3, 5.3: any failure, with the object on stdout and the problem on stderr."""
    path = tmp_path / "bon.tlog-proof"
    text = RECEIPT.read_text()
    damages = {
        "cut": "\n".join(text.splitlines()[:-1]).encode() + b"\n",
        "memo": text.replace("lQnJvb2Q=", "lQnJvb2U=").encode(),
        "empty": b"",
        "binary": bytes(range(256)),
    }
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(damages[damage])

    result = run("receipt", "verify", str(path), "--policy", str(POLICY), "-o", "json")

    tree = json.loads(result.stdout)
    check_shape(tree, SHAPES["receipt"])
    assert result.exit_code == 8
    assert tree["ok"] is False
    assert tree["reason"]
    problem = json.loads(result.stderr.splitlines()[-1])
    assert problem["code"] in ("WIJK-5001", "WIJK-5002")


def test_receipt_show_does_not_judge_by_its_exit_code(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bon.tlog-proof"
    path.write_text("niets")

    result = run("receipt", "show", str(path), "--policy", str(POLICY), "-o", "json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["reason"] == "unreadable"


def test_receipt_verify_needs_a_policy_and_a_file(run: Run) -> None:
    refused(run("receipt", "verify", str(RECEIPT), "-o", "json"), 3, 1002)
    refused(run("receipt", "verify", "er-niet", "--policy", str(POLICY), "-o", "json"), 12, 3007)


def test_receipt_verify_imports_nothing_that_opens_sockets() -> None:
    """interfaces 1.6: no network. A module that is not loaded cannot be used."""
    program = (
        "import sys\nfrom cli import wijk\n"
        f"try:\n    wijk.main(['receipt','verify',{str(RECEIPT)!r},'--policy',{str(POLICY)!r}])\n"
        "except SystemExit as end:\n    code = end.code\n"
        "bad = {'socket','ssl','http.client','asyncio','aiohttp'} & set(sys.modules)\n"
        "print(code, sorted(bad), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=VECTORS.parent.parent,
    )

    assert done.stderr.splitlines()[-1] == "0 []"


# --------------------------------------------------------------------------- drafts, settings


def test_tx_decode_reads_envelopes(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "tx.msgpack"
    path.write_bytes(bytes.fromhex(TX_VECTOR["envelope"]))

    tree = good(run("tx", "decode", str(path), "-o", "json"), "tx show")

    assert tree["tx"] == TX_VECTOR["tx"]
    assert tree["from"] == TX_VECTOR["payer"]
    assert tree["call"]["type"] == "coin.transfer"
    assert tree["call"]["legs"][0]["cents"] == 1250


def test_tx_decode_refuses_what_is_no_order(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "tx.msgpack"
    path.write_bytes(b"\x93\x01\x02\x03")

    refused(run("tx", "decode", str(path), "-o", "json"), 2, 1001)
    refused(run("tx", "decode", "er-niet", "-o", "json"), 12, 3007)


def test_config_set_get_and_show(run: Run) -> None:
    assert run("config", "set", "lang", "en").exit_code == 0
    assert run("config", "get", "lang").stdout == "en\n"
    assert json.loads(run("config", "show", "-o", "json").stdout)["origins"]["lang"] == "profile"
    assert run("config", "set", "nodes", "http://a", "http://b").exit_code == 0
    shown = json.loads(run("config", "show", "-o", "json").stdout)
    assert shown["values"]["nodes"] == ["http://a", "http://b"]
    refused(run("config", "set", "passphrase", "x", "-o", "json"), 2, 1001)


@pytest.mark.parametrize(
    ("key", "value"),
    [("lang", "fr"), ("output", "xml"), ("timeout", "soon"), ("nodes", "ftp://a"),
     ("no_input", "maybe")],
)  # fmt: skip
def test_config_set_refuses_what_no_command_could_read(
    run: Run, home: Path, key: str, value: str
) -> None:
    refused(run("config", "set", key, value, "-o", "json"), 2, 1001)

    assert not (home / "config.toml").exists()


def test_config_set_mends_settings_that_are_wrong(run: Run, home: Path) -> None:
    (home / "config.toml").write_text('profile = "x"\n[profiles.x]\nlang = "fr"\n')

    assert run("config", "get", "lang").stdout == "fr\n"
    assert run("config", "set", "lang", "en").exit_code == 0
    assert run("config", "set", "no_input", "ja").exit_code == 0
    shown = json.loads(run("config", "show", "-o", "json").stdout)
    assert (shown["values"]["lang"], shown["values"]["no_input"]) == ("en", True)


def test_a_list_without_items_has_its_csv_header(run: Run) -> None:
    """interfaces 1.3: the same fields, whatever the list holds."""
    head = "name,account,public_key,backed_up,created_at\r\n"

    assert run("keys", "list", "-o", "csv").stdout_bytes.decode() == head
    assert run("contacts", "list", "-o", "csv").stdout.strip() == (
        "name,account,added_at,verified_at"
    )


def test_errors_in_settings_come_all_at_once(run: Run, home: Path) -> None:
    (home / "config.toml").write_text(
        '[profiles.default]\nlang = "fr"\ntimeout = "soon"\nwho = 1\n'
    )

    errors = refused(run("config", "show", "-o", "json"), 3, 1002)["params"]["errors"]

    assert len(errors) == 3


def test_an_account_without_a_key_asks_which(run: Run, home: Path) -> None:
    make_key(home, "anna", 1)
    make_key(home, "bram", 2)

    problem = refused(run("account", "balance", "-o", "json"), 2, 1001)

    assert "anna, bram" in problem["detail"]
    assert account_text(bytes(20)).startswith("wijk1")
