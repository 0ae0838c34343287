"""`pixeltrail users`: who may look at the page, and what they may do. Passwords come from the terminal or a pipe."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LocalError
from .options import ConfigOption, JsonOption, SetOption, clock_time, load_config, print_table

if TYPE_CHECKING:
    from ..web.users import Users

app = typer.Typer(help="Who may look at the page.", no_args_is_help=True, rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="User name.", show_default=False)]
RoleOption = Annotated[
    str,
    typer.Option(
        "--role",
        help="viewer looks; operator also marks, shares, exports and sends again; admin also reads the audit log.",
    ),
]


@app.command()
def add(
    name: NameArgument,
    role: RoleOption = "viewer",
    by_proxy: Annotated[
        bool, typer.Option("--by-proxy", help="Without a password: a proxy lets them in (web.proxy_header).")
    ] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Add a user. With the first one the page asks everybody to log in."""
    users = _users(config, set_)
    users.add(name, role, None if by_proxy else _read_password())
    print(f"{name} is {role}.")


@app.command(name="list")
def list_(as_json: JsonOption = False, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Users and their roles."""
    found = _users(config, set_).all()
    if as_json:
        for name, user in found.items():
            facts = {
                "user": name,
                "role": user.role,
                "by_proxy": not user.password,
                "changed_ms": user.changed_ms,
            }
            print(json.dumps(facts))
        return
    rows = [
        (name, user.role, "password" if user.password else "proxy", clock_time(user.changed_ms))
        for name, user in found.items()
    ]
    print_table(("User", "Role", "Logs in by", "Changed"), rows)


@app.command()
def passwd(name: NameArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Give a user another password. Logins of theirs end."""
    users = _users(config, set_)
    users.change(name, password=_read_password())
    print(f"{name} has another password.")


@app.command()
def role(
    name: NameArgument,
    role: Annotated[
        str, typer.Argument(metavar="ROLE", help="viewer, operator or admin.", show_default=False)
    ],
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Give a user another role. Logins of theirs end."""
    _users(config, set_).change(name, role=role)
    print(f"{name} is {role}.")


@app.command()
def remove(name: NameArgument, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Remove a user. Logins of theirs end at once."""
    _users(config, set_).remove(name)
    print(f"{name} is gone.")


def _read_password() -> str:
    """Twice from a terminal, where it does not show; else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    import getpass

    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise LocalError("the two differ; nothing was changed")
    return first


def _users(config: ConfigOption, set_: SetOption) -> Users:
    from ..app.exposure import users_file
    from ..web.users import Users

    return Users(users_file(load_config(config, set_)))
