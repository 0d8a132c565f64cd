"""The drills by the ids of consensus section 16 and reliability section 8."""

from tests.drills import damage, floods, joins, kills, outages
from tests.drills.play import Drill

DRILLS = (
    Drill("F1", "one proposer dead", outages.dead_proposer),
    Drill("F2", "three of ten dead", outages.dead_third, nodes=10),
    Drill("F3", "as few left as a quorum", outages.fewest_left, nodes=7),
    Drill("F4", "one less than a quorum", outages.no_quorum),
    Drill("F5-F6", "partition and heal", outages.halves),
    Drill("F8", "a path in one direction only", outages.deaf, proxied=True),
    Drill("F10", "late and lossy paths", outages.bad_paths, proxied=True),
    Drill("F20", "killed after the guard, before the send", kills.die_after_guard),
    Drill("F21", "killed after the send", kills.die_after_send),
    Drill("F22", "torn tail of the guard", damage.tear_guard),
    Drill("F23-guard", "flipped bit in the guard", damage.flip_guard_bit),
    Drill("F23-store", "flipped bit in the store", damage.flip_store_bit),
    Drill("F24", "store wiped, key kept", damage.wipe_store),
    Drill("F25", "old disk image restored", damage.restore_image),
    Drill("F26", "one key on two machines", damage.run_twin),
    Drill("F30", "all killed right after `final`", kills.kill_all_after_final),
    Drill("F31", "a wrong clock", outages.wrong_clock),
    Drill("F35", "a validator and outsiders flood", floods.flood(floods.FLOOD_S)),
    Drill("F39", "far behind, then near", outages.far_behind),
    Drill("F39-late", "joins from the first block", outages.start_late, late=("v4",)),
    Drill("F41", "join by a snapshot, one bad copy", joins.join_by_snapshot, late=("v4",)),
    Drill("F48-1", "a single validator", outages.few, nodes=1),
    Drill("F48-2", "two validators", outages.few, nodes=2),
    Drill("F48-3", "three validators", outages.few, nodes=3),
    Drill("F49", "a slow validator", outages.slow_validator),
    Drill("kill", "each node killed in turn", kills.kill_one),
    Drill("pause", "nodes held by SIGSTOP", outages.pause),
    Drill("restart", "each node restarted in turn", outages.restart_each),
)

# Played by name only: they take minutes.
LONG_DRILLS = (
    Drill("F39-10000", "10,000 blocks behind", joins.far_behind, late=("v4",), blocks=joins.LONG),
)
