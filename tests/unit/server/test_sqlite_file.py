"""Where a SQLite database may stand, and that damage is noticed."""

import pytest

from jobmon.core.defaults import Settings
from jobmon.core.exceptions import ConfigError
from jobmon.server.sqlite_file import check_place, file_system
from jobmon.server.start import open_service


def mounts(tmp_path, *lines):
    file = tmp_path / "mounts"
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.promise("F23")
@pytest.mark.parametrize("kind", ["nfs4", "lustre", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_refused_with_the_ways_out(tmp_path, kind):
    table = mounts(tmp_path, "disk / ext4 rw 0 0", f"server:/home {tmp_path} {kind} rw 0 0")

    with pytest.raises(ConfigError, match=rf"{kind}.*JOBMON__SERVER__DATA_DIR"):
        check_place(tmp_path / "data", table)


@pytest.mark.promise("F23")
def test_a_local_disk_below_a_network_mount_is_taken(tmp_path):
    table = mounts(tmp_path, f"server:/x {tmp_path} nfs rw 0 0", f"disk {tmp_path}/local ext4 rw 0 0")

    assert file_system(tmp_path / "local" / "data", table) == ("ext4", f"{tmp_path}/local")
    check_place(tmp_path / "local" / "data", table)


def test_without_a_table_of_mounts_nothing_is_refused(tmp_path):
    assert file_system(tmp_path, tmp_path / "absent") == ("", "")


@pytest.mark.promise("F24")
def test_a_damaged_database_is_noticed_at_the_start_and_left_alone(tmp_path):
    service = open_service(Settings(), tmp_path, frozenset())
    service.database.dispose()
    file = tmp_path / "jobmon.db"
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    file.write_bytes(content)
    for name in ("jobmon.db-wal", "jobmon.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    before = file.read_bytes()

    with pytest.raises(ConfigError, match=r"jobmon\.db is damaged"):
        open_service(Settings(), tmp_path, frozenset())
    assert file.read_bytes() == before


@pytest.mark.promise("F25")
def test_a_database_of_another_schema_is_refused_with_what_to_install(tmp_path):
    service = open_service(Settings(), tmp_path, frozenset())
    service.write(lambda c, at: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    service.write(
        lambda c, at: c.exec_driver_sql("UPDATE server_state SET value = '9999' WHERE name LIKE 'schema_s%'")
    )
    service.database.dispose()

    with pytest.raises(ConfigError, match="schema 9999"):
        open_service(Settings(), tmp_path, frozenset())
