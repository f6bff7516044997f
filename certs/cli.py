"""`nightporter certs init|issue|list`. Exit codes: 0 done, 2 usage, 75 try again, 78 configuration."""

from __future__ import annotations

import argparse
import errno
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from certs.errors import CertsError, PassphraseError

if TYPE_CHECKING:  # the real imports stand in the verbs: cryptography costs --help a tenth of a second
    from certs.authority import Authority
    from certs.profiles import Profile

OK, USAGE, TRY_AGAIN, CONFIGURATION = 0, 2, 75, 78
_CONFIGURATION_ERRNO = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.EROFS)


def main(argv: list[str]) -> int:
    """Runs one verb; returns its exit code."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed its sentence, or the help
        return stop.code if isinstance(stop.code, int) else USAGE
    try:
        return int(arguments.run(arguments))
    except CertsError as error:
        print(f"nightporter certs: {error}", file=sys.stderr)
        return CONFIGURATION if error.permanent else TRY_AGAIN
    except OSError as error:
        print(f"nightporter certs: {error.filename or 'the disk'}: {error.strerror}", file=sys.stderr)
        return CONFIGURATION if error.errno in _CONFIGURATION_ERRNO else TRY_AGAIN


def _init(arguments: argparse.Namespace) -> int:
    if arguments.passphrase_file is None and not arguments.no_passphrase:
        print(
            "nightporter certs init: say how the root's key is kept: --passphrase-file FILE (or - to type it) encrypts "
            "it, --no-passphrase leaves it readable for whoever reads the directory",
            file=sys.stderr,
        )
        return USAGE
    passphrase = None if arguments.no_passphrase else _passphrase(arguments.passphrase_file)
    from cryptography.hazmat.primitives.hashes import SHA256

    from certs.founding import found
    from certs.parts import shown

    authority = found(arguments.dir, trust_domain=arguments.trust_domain, passphrase=passphrase)
    print(f"CA for trust domain {authority.trust_domain} made in {authority.directory}")
    print(f"  root         until {shown(authority.root.not_valid_after_utc)}")
    print(f"               SHA-256 {authority.root.fingerprint(SHA256()).hex(':', 2)}")
    print(f"  issuing CA   until {shown(authority.issuing.not_valid_after_utc)}")
    if passphrase is None:
        print("  The root's key is NOT encrypted: good for a trial, not for a building.")
    print(f"Next: move {authority.directory / 'root' / 'key.pem'} to an offline medium, then")
    print(f"  nightporter certs issue relay --dir {arguments.dir} --name relay.example --out DIR")
    return OK


def _issue_gateway(arguments: argparse.Namespace) -> int:
    from certs import profiles
    from certs.authority import open_authority
    from certs.identity import Identity

    authority = open_authority(arguments.dir)
    identity = Identity(
        trust_domain=authority.trust_domain, tenant=arguments.tenant, site=arguments.site, gateway=arguments.id
    )
    return _issue(authority, profiles.gateway(identity), arguments.out)


def _issue_relay(arguments: argparse.Namespace) -> int:
    from certs import profiles
    from certs.authority import open_authority

    return _issue(open_authority(arguments.dir), profiles.relay(tuple(arguments.name)), arguments.out)


def _issue(authority: Authority, profile: Profile, out: Path) -> int:
    from certs import keystore
    from certs.parts import key_pem, new_key, shown

    key = new_key()
    issued = authority.issue(profile, key.public_key())
    material = keystore.install(out, key=key_pem(key), cert=issued.cert, chain=issued.chain, trust=issued.trust)
    print(f"{profile.kind} certificate issued for {', '.join(profile.shown_names)}")
    print(f"  until    {shown(issued.certificate.not_valid_after_utc)}")
    print(f"  in       {out} (generation {material.generation})")
    return OK


def _list(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict
    from datetime import UTC, datetime

    from certs import index
    from certs.authority import read_certificates
    from certs.parts import shown

    read_certificates(arguments.dir)  # a directory that is no CA must not look like one that issued nothing
    now = shown(datetime.now(UTC))
    entries = [
        {**asdict(entry), "state": "expired" if entry.not_after <= now else "valid"}
        for entry in index.read(arguments.dir)
    ]
    if arguments.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
        return OK
    for entry in entries:
        names = ", ".join(entry["names"])
        print(f"{entry['serial'][:12]:12}  {entry['kind']:7}  {entry['state']:7}  {entry['not_after']}  {names}")
    if not entries:
        print(f"{arguments.dir} has issued no certificate yet")
    return OK


def _passphrase(source: str) -> bytes:
    """The passphrase from a file's first line, standard input, or the terminal (asked twice)."""
    if source == "-" and sys.stdin.isatty():
        from getpass import getpass

        first = getpass("Passphrase for the root's key: ")
        if first != getpass("Once more: "):
            raise PassphraseError("the two passphrases differ; nothing was made")
        return first.encode()
    data = sys.stdin.buffer.readline() if source == "-" else Path(source).read_bytes().partition(b"\n")[0]
    passphrase = data.rstrip(b"\r\n")
    if not passphrase:
        raise PassphraseError(f"{'standard input' if source == '-' else source} holds no passphrase in its first line")
    return passphrase


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nightporter certs",
        description="The certificate authority: found it, issue certificates, list what was issued.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    init = _verb(
        verbs,
        "init",
        "make a new CA: an offline root and an issuing CA",
        "nightporter certs init --dir /srv/np-ca --trust-domain np.example --passphrase-file -",
    )
    init.add_argument("--dir", type=Path, required=True, help="directory to make; must not exist or be empty")
    init.add_argument("--trust-domain", required=True, metavar="NAME", help="such as np.example; stands in every name")
    secret = init.add_mutually_exclusive_group()
    secret.add_argument("--passphrase-file", metavar="FILE", help="encrypts the root's key; - reads standard input")
    secret.add_argument("--no-passphrase", action="store_true", help="leave the root's key unencrypted")
    init.set_defaults(run=_init)

    issue = _verb(
        verbs,
        "issue",
        "issue a certificate and install it into an identity directory",
        "nightporter certs issue relay --dir /srv/np-ca --name relay.example --out /var/lib/nightporter-relay/identity",
    )
    kinds = issue.add_subparsers(title="kinds", metavar="KIND", required=True)
    gateway = _verb(
        kinds,
        "gateway",
        "a gateway: 7 days, TLS client",
        "nightporter certs issue gateway --dir /srv/np-ca --tenant acme --site hq --id lobby --out identity/cloud",
    )
    gateway.add_argument("--tenant", required=True)
    gateway.add_argument("--site", required=True)
    gateway.add_argument("--id", required=True, help="the gateway's own id")
    gateway.set_defaults(run=_issue_gateway)
    relay = _verb(
        kinds,
        "relay",
        "a relay's gateway listener: 90 days, TLS server",
        "nightporter certs issue relay --dir /srv/np-ca --name relay.example --name 192.0.2.7 --out identity",
    )
    relay.add_argument(
        "--name", required=True, action="append", help="host name or address gateways dial; may be repeated"
    )
    relay.set_defaults(run=_issue_relay)
    for kind in (gateway, relay):
        kind.add_argument("--dir", type=Path, required=True, help="the CA's directory")
        kind.add_argument("--out", type=Path, required=True, metavar="DIR", help="the identity directory to install to")

    listing = _verb(
        verbs, "list", "list the certificates that were issued", "nightporter certs list --dir /srv/np-ca --json"
    )
    listing.add_argument("--dir", type=Path, required=True, help="the CA's directory")
    listing.add_argument("--json", action="store_true", help="for a program")
    listing.set_defaults(run=_list)
    return parser


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, example: str
) -> argparse.ArgumentParser:
    return verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
