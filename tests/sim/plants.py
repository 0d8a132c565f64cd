"""Bugs to plant, one line each, and who must notice (consensus H6, F50; reliability J51 to J80).

A plant names a line of the program as it stands. So a change of that line fails here first, and
whoever made it says anew what the line is worth. What is hunted with is the suite's own: seeds of
this simulator, random schedules and Twins on the pure core, or one law, the test of that rule.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Callable
from functools import partial
from random import Random
from types import CodeType
from typing import Any, NamedTuple

import pytest

from consensus.messages import SignedPrepare
from tests.chain import test_codec, test_leaders, test_window
from tests.chain import test_evidence as evidence
from tests.chain import test_sanctions as sanctions
from tests.consensus import (
    test_agreement,
    test_bounds_and_relay,
    test_core_messages,
    test_guard_rules,
    test_pure_rules,
    test_silence_and_time,
)
from tests.consensus import test_evidence as core_evidence
from tests.consensus import test_foreign_key as foreign
from tests.consensus import test_join_barrier as barrier
from tests.consensus.network import DECISIONS
from tests.consensus.network import play as play_network
from tests.consensus.twins import Twins, make_random
from tests.contracts import test_set_change as rules
from tests.federation import Ledger
from tests.node import test_exchange as exchange
from tests.node import test_snapshot as snapshots
from tests.sim import test_evidence as sim_evidence
from tests.sim import test_foreign_key as sim_foreign
from tests.sim import test_fork as sim_fork
from tests.sim import test_liars, test_scenarios
from tests.sim import test_recovery as recovery
from tests.sim import test_set_change as sets
from tests.sim.faults import Faults, Swarm
from tests.sim.history import play

SEEDS_MAX = 100  # reliability section 4 allows 1,000

Hunt = Callable[[], None]


class Plant(NamedTuple):
    """One line of the program, what stands there instead, who hunts, and what falls."""

    id: str
    where: str  # module:function
    line: str
    instead: str
    hunt: Hunt
    fallen: str = ""  # how the first word of the failure begins, where it is an invariant


class Rough(Faults):
    """Processes that crash often, on a network that is well."""

    def __init__(self, chance: Random, nodes: int) -> None:
        super().__init__(chance, nodes)
        self.crash_points, self.loss = 0.02, 0.0


class Broken(Faults):
    """One disk that refuses every tenth call, or all of them, for a while."""

    def __init__(self, chance: Random, nodes: int) -> None:
        super().__init__(chance, nodes)
        self.parts, self.disk_faults = {0: "disk"}, {0: ("fails", "fails", "fails")}


def seeds(**options: Any) -> Hunt:
    """Hunt with histories of this simulator."""

    def hunt() -> None:
        for seed in range(SEEDS_MAX):
            play(seed, **{"nodes": 4, **options})

    return hunt


def schedules(**options: Any) -> Hunt:
    """Hunt with random schedules of the pure core."""

    def hunt() -> None:
        for seed in range(SEEDS_MAX):
            play_network(seed, **{"n": 4, **options})

    return hunt


def twins() -> None:
    """Hunt with generated Twins scenarios."""
    chance = Random("plants")
    for _ in range(SEEDS_MAX):
        Twins(make_random(chance, 8)).play()


def law(test: Callable[..., None], *arguments: Any) -> Hunt:
    """Hunt with the test of one rule."""
    return partial(test, *arguments)


def rule_of_a_set(test: Callable[[Ledger], None]) -> Hunt:
    """Hunt with a rule of four wijken of one node each."""
    balances, params = {"delfshaven/anna": 10_000}, {"epoch_s": rules.EPOCH_S}
    return lambda: test(Ledger(wijken=4, balances=balances, params=params))


def verdict(test: Callable[[Ledger], None]) -> Hunt:
    """Hunt with a rule about evidence in blocks."""
    balances = {"delfshaven/anna": 1_000}
    return lambda: test(Ledger(wijken=1, validators=4, balances=balances))


def bad(name: str) -> Hunt:
    """Hunt with one of the bad justifications of R2."""
    reasons = dict(test_agreement.bad_justifications())[name]
    return law(test_agreement.test_r2_a_bad_justification_is_refused, reasons)


honest = schedules(liars=0, clogged=DECISIONS)
liars = schedules()
broken = seeds(faults=Broken)
rough = seeds(faults=Rough)
swarm = seeds(faults=Swarm)
agreement, bounds, silence = test_agreement, test_bounds_and_relay, test_silence_and_time
fork = sim_fork.test_f28_f_plus_one_keys_on_two_machines_are_named
REPLICA, RUNTIME = "consensus.replica:Replica.", "node.runtime:Runtime."
VOICE, HEARING = "consensus.voice:Voice.", "consensus.hearing:Hearing."
CHECKS, CERTIFIED = "consensus.checks:", "consensus.certified:Certified."
CHANGE, OPEN = "consensus.round_change:", "consensus.open_height:"
REASONS, PROOF, SANCTIONS = "chain.justification:", "chain.evidence:", "chain.sanctions:"

PLANTS = [
    # ---------------------------------------------------------------- the table of reliability 4
    Plant("J51", "chain.validators:quorum", "return (2 * n + 2) // 3",
          "return max(1, (2 * n + 2) // 3 - 1)", honest, "I1"),
    Plant("J52", "node.slot_file:SlotFile.append", "self._disk.sync(self._file)", "pass",
          swarm, "I4"),
    Plant("J53", OPEN + "OpenHeight.enter", "self.accepted = None",
          "self.accepted = self.prepared = None",
          liars, "I6"),
    Plant("J54", CHANGE + "check_proof",
          "check_prepared_certificate(certificate, validators, record.genesis_digest, verify)",
          "pass", liars, "I6"),
    Plant("J55", "consensus.own_work:make_draft",
          "is_fresh = check_proposal(draft, own_key, leader, at.context, chain, verify)",
          "is_fresh = choice.carried is None",
          law(agreement.test_m16_own_work_that_peers_would_refuse_ends_the_program_before_it_leaves,
              "time")),
    Plant("J56", "chain.signed:signed_bytes", "chain.chain_id,", '"any-chain",',
          law(test_core_messages.test_m5_a_commit_signs_the_note_of_the_test_vector)),
    Plant("J57", "chain.signed:signed_bytes", "return encode(record)",
          "return encode(record)[1:]",
          law(test_core_messages.test_m4_the_signed_arrays_are_these_bytes)),
    Plant("J58", "chain.window:Window.add_block",
          "key = item.sender + item.nonce", "key = item.tx_id + item.nonce",
          law(test_window.test_borders_of_the_window)),
    Plant("J60", "node.runtime:Runtime._sign_and_send", "self._links.broadcast(message)",
          "self._links.broadcast(message); "
          "[self._tell(i, TxPlace(self.store.tip.height + 1, 0, 0, 0, ())) "
          "for i in list(self._watchers)]", swarm, "J60"),
    Plant("J61", "node.head_file:HeadFile.append", "self._file.append(slot)",
          "self._file._disk.write(self._file._file, slot, self._file._size); "
          "self._file._size += len(slot)", swarm, "J61"),
    Plant("J62", "consensus.votes:Tally.add",
          "rounds = self._votes.setdefault(vote.signer, {})",
          "rounds = self._votes.setdefault(vote.signer + bytes(len(self._votes)), {})",
          law(test_pure_rules.test_q4_one_validator_counts_once_whatever_it_repeats)),
    Plant("J63", "node.runtime:Runtime.watch", "place = self.store.place(tx_id)",
          "place = TxPlace(self.store.tip.height + 1, 0, 0, 0, ())", swarm, "J60"),
    Plant("J65", "node.sync:Sync._is_certified",
          "check_commit_certificate(certificate, validators, self._chain.chain_id, self._verify)",
          "pass", law(test_liars.test_f40_one_honest_peer_is_enough_to_catch_up, "certificate")),
    Plant("J66", "consensus.timers:is_timely",
          "return time_ms - CLOCK_SLACK_MS <= wall_ms <= time_ms + delay_ms(round_) + "
          "CLOCK_SLACK_MS", "return True", swarm, "T10"),
    Plant("J67", "chain.execute:execute_block",
          "return apply_block(base, chain, header.time_ms, preamble, txs, check, verify, finish)",
          "return apply_block(base, chain, header.time_ms, preamble, "
          "sorted(txs, key=lambda tx: tx.id), check, verify, finish)", swarm, "I9"),
    Plant("J68", "chain.codec:decode", "if _encoder.encode(value) == data:", "if True:",
          law(test_codec.test_padded_integers_and_lengths_are_malformed, Any, "cc05")),
    Plant("J71", REPLICA + "_leave_if_overdue", "self._leave_round()", "pass", liars, "I9"),
    Plant("J74", "node.chainstore:ChainStore.apply", "self.store.write(batch)",
          "self.store.write(batch[:7]); self.store.write(batch[7:])", rough),
    Plant("J75", "consensus.guard:read_guard", "count, rest = divmod(len(data), SLOT_BYTES)",
          "count, rest = divmod(len(data), SLOT_BYTES); count -= bool(rest)", rough),
    Plant("J76", "consensus.guard:read_guard",
          "return Guard(binding, tuple(slots[1:]), checksum, count * SLOT_BYTES)",
          "return Guard(binding, (), data[SLOT_BYTES - CHECKSUM_BYTES : SLOT_BYTES], SLOT_BYTES)",
          rough),
    Plant("J78", "consensus.early:EarlyMessages.has_room",
          "return sum(key[:2] == (height, kind) for key in self._kept) < PROPOSALS_MAX",
          "return True",
          law(bounds.test_b7_at_most_two_proposals_of_the_next_height_are_kept)),
    Plant("J79", "chain.validators:read_bitmap", "if bits >> n:", "if False:",
          law(bounds.test_t7_a_wrong_bitmap_is_a_fault_of_the_link, b"\x10")),
    Plant("J80", "chain.execute:BlockRun._check_inclusion", "if time_s >= tx.expires:", "if False:",
          swarm, "T12"),
    # -------------------------------------------------------------------------------- R: agreement
    Plant("R2a", REPLICA + "_leader", "return self._proposer(self._open.context.order, round_)",
          "return self._own or self._proposer(self._open.context.order, round_)",
          law(agreement.test_r1_others_do_not_propose_in_round_0)),
    Plant("R2b", OPEN + "OpenHeight.may_accept",
          "if not candidate.timely or candidate.round < self.round:", "if not candidate.timely:",
          liars),
    Plant("R2c quorum", REASONS + "_check_round_changes",
          "if len(signers) < validators.quorum:", "if False:", bad("R2c too few")),
    Plant("R2c twice", REASONS + "_check_round_changes",
          "if len(set(signers)) != len(signers):", "if False:", bad("R2c one twice")),
    Plant("R2c set", REASONS + "_check_round_changes", "if message.signer not in validators:",
          "if False:", bad("R2c a stranger")),
    Plant("R2c signed", REASONS + "_check_round_changes",
          "if not verify(message.signer, encode(message.record), message.signature):",
          "if False:", bad("R2c not signed")),
    Plant("R2d", REASONS + "check_round_change",
          "if record.prepared_round is not None and record.prepared_round >= record.round:",
          "if False:",
          law(bounds.test_r2d_f17_an_impossible_claim_is_refused_on_arrival, (1, "same"))),
    Plant("R2e", CHECKS + "check_proposal", "if is_fresh and header.creator != signer:",
          "if False:", law(agreement.test_r2e_a_fresh_block_of_somebody_else_is_refused)),
    Plant("R2f none", REASONS + "check_reasons", "if certificate is None:",
          "if certificate is None:\n        return False\n    if False:",
          bad("R2f no certificate")),
    Plant("R2f highest", REASONS + "check_reasons",
          "highest = max(prepared_round for prepared_round, _ in claims)  # R2f, from here on",
          "highest = min(prepared_round for prepared_round, _ in claims)", liars),
    Plant("R2f block", REASONS + "check_reasons",
          "if certificate.block_id != proposal.block_id:", "if False:",
          bad("R2f of another block")),
    Plant("R2f claimed", REASONS + "check_reasons",
          "if (highest, proposal.block_id) not in claims:", "if False:",
          bad("R2f claimed for another block")),
    Plant("R2f proven", REASONS + "check_reasons",
          "check_prepared_certificate(certificate, validators, proposal.genesis_digest, verify)",
          "pass",
          law(evidence.test_e1e_f16_a_proposal_with_false_reasons_is_proven, "proof of fewer")),
    Plant("R2h", REPLICA + "_on_executed", "if event.error is None:", "if True:",
          law(agreement.test_r2h_a_block_with_other_roots_gets_no_prepare_and_the_chain_goes_on)),
    Plant("R3", "consensus.own_work:make_prepared", "if len(votes) < validators.quorum:",
          "if len(votes) < validators.quorum - 1:", liars),
    Plant("R4", REPLICA + "_count_commit", "if record.round > at.round + 1:",
          "if record.round != at.round:",
          law(agreement.test_r4_commits_of_a_past_round_decide)),
    Plant("R4 fetch", REPLICA + "_apply", "if block.is_held and not at.is_applying:",
          "if not at.is_applying:",
          law(agreement.test_r4_the_decision_stands_while_its_block_is_missing)),
    Plant("R5", REPLICA + "_change_round",
          "claim = (at.prepared.certificate.round, at.prepared.certificate.block_id)", "pass",
          liars, "I6"),
    Plant("R5 below", VOICE + "may_say",
          "return where > self._spoken and self.silence(at, certified) is None",
          "return self.silence(at, certified) is None", liars, "D2"),
    Plant("R6", REPLICA + "_jump", "if target > at.round and at.decided is None:", "if False:",
          law(agreement.test_r6_w_higher_rounds_take_the_node_along)),
    Plant("R6 early", CHANGE + "compute_jump",
          "return ordered[weak_quorum - 1] if len(ordered) >= weak_quorum else 0",
          "return ordered[0] if ordered else 0", law(agreement.test_r6_one_liar_moves_nobody)),
    Plant("R7", CHANGE + "compute_choice",
          "return Choice(None if proof is None else proof.block_id, "
          "Justification(tuple(chosen), proof))",
          "return Choice(None, Justification(tuple(chosen), None))", twins),
    Plant("R7 proven", CHANGE + "RoundChanges.usable",
          "and (claim_of(message.record) is None or self.proof(message.record) is not None)", "",
          law(agreement.test_r7_an_unproven_claim_is_not_counted)),
    Plant("R7 silent", REPLICA + "_propose",
          "if not block.is_held or block.compact is None:", "if False:",
          law(agreement.test_r7_without_the_body_of_the_carried_block_the_leader_asks_for_it_and_stays_silent)),
    Plant("R8", "chain.validators:_check_signatures", "if not verify(key, message, signature):",
          "if False:",
          law(agreement.test_r4_a_certificate_with_too_few_or_wrong_signatures_decides_nothing)),
    Plant("M11", "consensus.votes:Tally.agreeing",
          "if (vote := rounds.get(record.round)) is not None and vote.record == record",
          "if (vote := rounds.get(record.round)) is not None and "
          "vote.record.block_id == record.block_id",
          law(test_pure_rules.test_m11_commits_with_another_log_head_do_not_count_together)),
    # ----------------------------------------------------------------------------- L: the leaders
    Plant("L1", "chain.leaders:ring", "start = sum(key <= creator for key in ordered)",
          "start = sum(key < creator for key in ordered)",
          law(test_leaders.test_l2_without_failures_everybody_leads_in_turn)),
    Plant("L4 strikes", "chain.leaders:advance",
          "strikes[key] = min(strikes.get(key, 0) + 1, STRIKES_MAX)", "strikes[key] = 1",
          law(test_leaders.test_l4_strikes_double_the_term_up_to_the_fifth)),
    Plant("L4 listed", "chain.leaders:advance", "if key not in listed:", "if False:",
          law(test_leaders.test_f1_a_dead_leader_fails_once_and_leads_last_from_the_next_height_but_one)),
    Plant("L4 early", "chain.leaders:_may_return",
          "is_back = strikes.get(one.key, 0) == 1 and one.seen.bit_count() >= SEEN_MIN",
          "is_back = one.seen.bit_count() >= SEEN_MIN",
          law(test_leaders.test_l4_a_second_strike_is_served_in_full_whatever_it_signs)),
    Plant("L5", "chain.leaders:advance",
          "excess = max(0, len(sideline) - faulty(len(coming)))", "excess = 0",
          law(test_leaders.test_l5_the_list_holds_at_most_f_and_drops_its_oldest)),
    Plant("L7", REPLICA + "_suspect", "elif self._may_suspect():", "elif False:",
          law(silence.test_l7_a_leader_without_a_link_for_a_second_is_left_at_once)),
    Plant("L7 once", REPLICA + "_leave_early", "self._open.left_early = True", "pass",
          law(silence.test_l7_happens_once_a_height)),
    # --------------------------------------------------------------------------- T: time and relay
    Plant("T1", "consensus.timers:round_timeout_ms",
          "timeout = min(timing.round_ms_max, timeout * 3 // 2)", "timeout = timeout * 2",
          law(test_pure_rules.test_t1_timeouts_grow_by_half_to_the_cap)),
    Plant("T4", OPEN + "OpenHeight.has_work",
          "return self.work or self.heartbeat_due or bool(self.marks)", "return True",
          law(silence.test_t4_an_idle_chain_starts_no_clock)),
    Plant("T5", REPLICA + "_may_raise", "return is_open and self._has_company()",
          "return is_open",
          law(silence.test_t5_a_round_is_not_left_when_its_quorum_fell_silent_meanwhile)),
    Plant("T5 clock", REPLICA + "_run_clock",
          "if at.clock_ms is None and at.has_work and (at.round == 0 or self._has_company()):",
          "if at.clock_ms is None and at.has_work:",
          law(silence.test_t5_the_clock_of_a_round_waits_for_a_quorum_in_it)),
    Plant("T6", REPLICA + "_resend", "self._do(ev.Send(message, to))", "pass",
          law(silence.test_t6_the_latest_words_of_each_kind_are_sent_again_every_two_seconds)),
    Plant("T7", REPLICA + "_receive_status",
          "for message in (*lacking, *(one for one in own_words if one not in lacking)):",
          "for message in ():", liars, "I9"),
    Plant("T8", REPLICA + "_on_timer",
          "at.heartbeat_due |= self._mono_ms >= at.heartbeat_ms", "pass",
          law(silence.test_t8_a_heartbeat_makes_the_leader_propose_and_nothing_else_does)),
    Plant("T9", CHECKS + "check_proposal", "if header.time_ms <= context.parent_time_ms:",
          "if False:",
          law(agreement.test_m16_own_work_that_peers_would_refuse_ends_the_program_before_it_leaves,
              "time")),
    Plant("T11", REPLICA + "_consider",
          "candidate = Candidate(message, timely=is_punctual or not is_fresh, via=via)",
          "candidate = Candidate(message, timely=is_punctual, via=via)",
          law(agreement.test_r2f_the_carried_block_is_accepted_without_a_look_at_the_clock)),
    Plant("T13", "consensus.peers:Peers.notice_skew",
          "is_news = is_off and not self._skew_told", "is_news = is_off",
          law(silence.test_t13_a_skewed_clock_is_told_once)),
    # ----------------------------------------------------------------------------- D: durability
    Plant("D2", "consensus.guard:judge", "if at < last.position:", "if False:",
          law(test_guard_rules.test_d2_only_higher_positions_are_signed_and_only_the_same_bytes_repeated)),
    Plant("D3 accepted", REPLICA + "_prepare",
          "self._say(prepare_of(accepted), first=ev.Persist(accepted))",
          "self._say(prepare_of(accepted))",
          law(agreement.test_r2_an_accepted_proposal_is_durable_before_its_prepare_is_signed)),
    Plant("D3 prepared", REPLICA + "_note_prepared", "self._do(ev.Persist(prepared))", "pass",
          swarm, "D3"),
    Plant("D3 body", "node.runtime:Runtime._persist", "changes[BLOCK + block] = raw", "pass",
          law(test_scenarios.test_f18_the_transactions_of_a_prepared_block_are_served_after_a_restart)),
    Plant("D5", "node.slot_file:SlotFile.append", "self._disk.write(self._file, slot, self._size)",
          "try:\n        self._disk.write(self._file, slot, self._size)\n"
          "    except Exception:\n        pass", broken, "F29"),
    Plant("D7", REPLICA + "_restore", "if round_ > 0:", "if False:",
          law(silence.test_d7_a_restart_restores_round_accepted_and_prepared)),
    Plant("D8", "consensus.guard:read_guard", "count -= 1", "pass",
          law(test_guard_rules.test_d8_a_last_slot_without_checksum_is_cut_off)),
    Plant("D9", VOICE + "open_gate",
          "self._gate_open = answers >= validators.quorum - 1", "self._gate_open = True",
          law(silence.test_d9_nothing_is_signed_before_q_minus_1_others_spoke)),
    Plant("D10", VOICE + "_pass_barrier",
          "if self._joins or self._known < certified or lacks or self._has_met_own:", "if False:",
          law(recovery.test_f25_an_old_disk_image_never_signs_at_or_below_what_was_attested)),
    Plant("D10 wiped", VOICE + "_pass_barrier",
          "if self._joins or self._known < certified or lacks or self._has_met_own:",
          "if self._known < certified or lacks or self._has_met_own:",
          law(recovery.test_f24_a_wiped_node_is_silent_for_the_open_height_and_then_votes,
              "store")),
    Plant("D10 records", VOICE + "_pass_barrier",
          "if self._joins or self._known < certified or lacks or self._has_met_own:",
          "if self._joins or self._known < certified or self._has_met_own:",
          law(recovery.test_f23_a_node_whose_open_records_are_gone_is_silent_for_that_height_alone)),
    Plant("D10 raised", VOICE + "_close", "self._do(ev.RaiseGuard(height))", "pass",
          law(recovery.test_d10_a_crash_before_the_gate_is_no_way_round_the_barrier)),
    Plant("D10 whole", "node.runtime:Runtime.start",
          "if last is not None and last not in slots:", "if last is not None and not slots:",
          law(recovery.test_d10_a_guard_that_closes_more_than_it_signed_at_asks_for_nothing_that_it_refuses)),
    Plant("D11", REPLICA + "_receive_status",
          "at.heartbeat_due |= self._peers.may_release(peer, self._mono_ms)", "pass",
          law(recovery.test_d11_an_idle_chain_releases_a_node_from_the_barrier_once_in_ten_minutes)),
    Plant("D11 once", "consensus.peers:Peers.may_release",
          "if before is not None and mono_ms - before < RELEASE_MS:", "if False:",
          law(barrier.test_d11_a_validator_in_the_barrier_is_due_one_block_in_ten_minutes)),
    Plant("D12", VOICE + "meet_own",
          "if at.is_reopened or at.may_have_signed(where, signed):",
          "if at.may_have_signed(where, signed):",
          law(barrier.test_d12_an_opened_height_is_signed_whatever_the_others_still_hold)),
    Plant("D13", VOICE + "silence",
          "if at.decided is not None or certified >= at.height:", "if False:",
          law(silence.test_d13_a_certificate_of_a_higher_height_silences_until_that_height_is_passed)),
    Plant("D14", VOICE + "meet_own",
          "self.stop_for_foreign(where.height, where.round)", "pass",
          law(silence.test_d14_an_own_signature_from_elsewhere_stops_signing)),
    Plant("D14 image", VOICE + "meet_own", "if self._has_spoken:", "if True:",
          law(foreign.test_d10_an_image_of_this_very_height_joins_again_and_does_not_stop)),
    Plant("D10 image", VOICE + "meet_own",
          "if not at.signed and (self._has_spoken or at.height <= self._spoken.height):",
          "if not at.signed:",
          law(foreign.test_d10_an_image_of_the_end_of_a_height_joins_again_once_it_meets_its_words)),
    Plant("D10 store", VOICE + "meet_own",
          "if not at.signed and (self._has_spoken or at.height <= self._spoken.height):",
          "if not at.signed and self._has_spoken:",
          law(foreign.test_d10_a_lost_store_meets_the_votes_of_its_sound_guard_and_joins_no_barrier)),
    Plant("D10 shown", REPLICA + "_take",
          "for words in compute_latest_words(self._open, event.peer):", "for words in ():",
          law(recovery.test_f25_an_image_of_just_before_the_vote_does_not_vote_again)),
    Plant("D14 relay", "consensus.relay:compute_own_words", "if status.height != at.height:",
          "if True:",
          law(foreign.test_t7_a_peer_is_sent_what_is_held_of_its_own_key_once_it_stands_still)),
    Plant("D14 certificate", REPLICA + "_on_new_height",
          "if vote.signer == self._own:", "if False:",
          law(foreign.test_d14_the_certificate_of_a_fetched_block_is_looked_at_too)),
    Plant("D14 evidence", "node.runtime:Runtime._on_evidence",
          "if is_foreign(self._signer.recall(at.height), at, signed):", "if False:",
          law(sim_foreign.test_f26_a_machine_that_sees_what_the_other_signed_stops, 7, [0, 1, 2])),
    Plant("D15", CERTIFIED + "_check_fork",
          "if first.height == second.height and first.block_id != second.block_id:", "if False:",
          law(agreement.test_d15_sync_with_another_block_than_the_decided_one_halts_the_node)),
    Plant("X5", "node.runtime:Runtime._apply",
          "if acked.height == height and acked.block_id != block.certificate.block_id:",
          "if False:",
          law(test_scenarios.test_a_node_takes_no_other_block_where_it_acked_one)),
    Plant("Y28", "node.runtime:Runtime._perform_one",
          "case events.Propose() if self.saves_space:",
          "case events.Propose() if False:",
          law(test_scenarios.test_a_node_with_little_disk_left_proposes_nothing_and_goes_on_voting)),
    # ------------------------------------------------------------------ V: the validator set
    Plant("J69", "node.runtime:Runtime._context",
          "validators = get_set(store.read_state, SET_NOW)",
          "validators = store.validators_at(max(1, tip.height))",
          law(sets.test_f37_a_removed_validator_that_keeps_voting_does_not_count)),
    Plant("V1", "chain.set_change:move_sets",
          "VALIDATOR_SETS.put(state, change_members(members, change.leave, change.join), SET_NEXT)",
          "VALIDATOR_SETS.put(state, change_members(members, change.leave, change.join), SET_NOW)",
          law(sets.test_f36_a_change_that_begins_in_round_3_counts_two_heights_later)),
    Plant("V1 due", "chain.set_change:move_sets",
          "if change is None or epoch < change.from_epoch:", "if change is None:",
          rule_of_a_set(rules.test_a_named_change_waits_for_its_epoch)),
    Plant("V3 leaver", "chain.set_change:find_fault",
          "if len(set(leave)) != len(leave) or any(key not in held for key in leave):", "if False:",
          law(rules.test_find_fault_names_what_is_wrong)),
    Plant("V3 duplicate", "chain.set_change:find_fault",
          "if len(set(keys)) != len(keys) or len(set(names)) != len(names):", "if False:",
          law(rules.test_find_fault_names_what_is_wrong)),
    Plant("V3 weak", "chain.set_change:find_fault",
          "if not all(is_valid_key(key) for one in join for key in (one.key, one.transport_key)):",
          "if False:", law(rules.test_find_fault_names_what_is_wrong)),
    Plant("V3 few", "chain.set_change:find_fault",
          "if len(after) < (VALIDATORS_MIN if len(members) >= VALIDATORS_MIN else 1):",
          "if len(after) < 1:", law(rules.test_find_fault_names_what_is_wrong)),
    Plant("V4", "chain.set_change:find_fault",
          'return "limit" if len(leave) > most or len(join) > most else None', "return None",
          law(rules.test_find_fault_names_what_is_wrong)),
    Plant("V4 one", "chain.set_change:is_under_way",
          "return PLANNED.get(state) is not None or not last == now == coming",
          "return PLANNED.get(state) is not None",
          law(sets.test_f38_bad_changes_are_refused_and_the_chain_lives)),
    Plant("V5 recent", "contracts.wijk:ready",
          "require(is_recent(ctx.state, call.height, call.block_id), Code.WIJK_NOT_RECENT)", "pass",
          rule_of_a_set(rules.test_wijk_ready_names_one_of_the_last_hundred_blocks)),
    Plant("V5 day", "contracts.wijk:_check_newcomer", "and ctx.time_s - ready.time_s <= READY_S",
          "", rule_of_a_set(rules.test_wijk_register_role_refuses_set_change_after_a_day)),
    Plant("V8", "node.runtime:Runtime._context", "if version not in self.chain.versions:",
          "if False:", law(sets.test_f44_mixed_versions_across_an_upgrade_height)),
    # ------------------------------------------------------------------------------- E: evidence
    Plant("J70", "node.evidence:EvidencePool._add",
          "self._store.store.write([(POOL + found.key, raw)])", "pass",
          law(sim_evidence.test_j70_evidence_survives_a_restart_and_a_late_peer_hears_of_it)),
    Plant("E1 pair", PROOF + "_check_pair", "if find_conflict(first, second) is None:", "if False:",
          law(evidence.test_e1_a_pair_that_proves_nothing_is_refused_in_any_dress, "two rounds")),
    Plant("E1 signed", PROOF + "check_evidence",
          "if not verify(one.signer, signed_bytes(chain, one.record), one.signature):",
          "if False:", law(evidence.test_e1_every_signature_counts, "b")),
    Plant("E1 set", PROOF + "check_evidence", "if one.signer not in validators:", "if False:",
          law(evidence.test_e1_a_key_outside_the_set_of_the_height_is_not_judged, "b")),
    Plant("E1d", PROOF + "find_conflict",
          "if second.record.round > round_ and (prepared is None or prepared < round_):",
          "if second.record.round > round_:", honest, "I6"),
    Plant("E1d kept", PROOF + "find_conflict",
          "if second.record.round > round_ and (prepared is None or prepared < round_):",
          "if False:", law(
              core_evidence.test_e1d_a_commit_and_a_change_that_forgot_it_in_either_order)),
    Plant("E2", PROOF + "_check_header", "if header.genesis_digest != chain.genesis_digest:",
          "if False:", law(evidence.test_e2_evidence_of_another_chain_is_refused, "c: two")),
    Plant("E3 once", SANCTIONS + "judge",
          "if EVIDENCE.get(state, found.key, found.height) is not None:", "if False:",
          verdict(sanctions.test_e3_repeated_evidence_makes_a_block_invalid)),
    Plant("E3 age", SANCTIONS + "judge",
          "if not _oldest(state, time_s) <= found.height <= height:", "if False:",
          verdict(sanctions.test_e3_evidence_is_at_most_seven_days_old_in_chain_time)),
    Plant("E3 pieces", SANCTIONS + "choose_evidence",
          "if size + len(raw) > EVIDENCE_BYTES_MAX or len(chosen) == EVIDENCE_MAX:",
          "if size + len(raw) > EVIDENCE_BYTES_MAX:",
          verdict(sanctions.test_e3_a_proposer_chooses_no_more_pieces_than_a_body_can_hold)),
    Plant("E3 size", SANCTIONS + "check_amount",
          "if sum(map(len, evidence)) > EVIDENCE_BYTES_MAX:", "if False:",
          law(sanctions.test_e3_a_block_holds_64_kib_of_evidence)),
    Plant("E4 pinned", SANCTIONS + "_put_aside", "pinned = pin(pinned, one.key, height)", "pass",
          verdict(sanctions.test_e4_a_suspended_key_leads_last_for_ever_and_votes)),
    Plant("E4 removed", SANCTIONS + "apply_evidence", "_take_out(state)", "pass",
          law(sanctions.test_e4_a_suspended_key_leaves_set_h_plus_2)),
    Plant("E4 lifted", SANCTIONS + "judge", "if is_lifted(state, found):", "if False:",
          verdict(sanctions.test_e4_a_lift_covers_what_was_done_before_it)),
    Plant("E4 one", SANCTIONS + "_take_out", "if not keys or is_under_way(state):", "if not keys:",
          law(sanctions.test_e4_v4_a_key_waits_for_a_planned_change_which_still_fits)),
    Plant("E5", "node.evidence:EvidencePool.retain", "self._store.store.write(changes)", "pass",
          law(sim_evidence.test_e5_what_was_said_in_a_failed_round_is_kept)),
    Plant("E5 asked", HEARING + "end", "self._do(ev.Inquire(at.height, tuple(few)))", "pass",
          law(sim_evidence.test_e4_a_liar_leaves_the_set_and_the_chain_goes_on, "a")),
    Plant("E5 judged", "node.exchange:Exchange.on_answer", "self._check(one, message.height)",
          "pass", law(exchange.test_b12_a_forged_page_is_its_peers_fault_and_changes_nothing)),
    Plant("E5 union", RUNTIME + "_halt", "(*effect.said, *self.exchange.said(height)),",
          "effect.said,", law(fork, "two rounds")),
    Plant("E6", CERTIFIED + "learn", "self._check_fork(at, known, certificate)", "pass",
          law(agreement.test_e6_two_certificates_for_one_height_halt_the_node)),
    Plant("E6 old", RUNTIME + "_on_certificate",
          "if own is None or own.block_id == certificate.block_id:", "if True:",
          law(fork, "more heights")),
    Plant("E6 parent", RUNTIME + "_apply_fetched",
          "certificate = self._find_other_parent(block) or block.certificate",
          "certificate = block.certificate", law(fork, "more heights")),
    # ------------------------------------------------------------------------------ S: snapshots
    Plant("J64", "node.snapshot_build:Builder.finish",
          "if tree.get_root(self._pages.get) != self._offer.header.state_root:", "if False:",
          law(snapshots.test_j64_a_forged_state_root_is_refused)),
    Plant("S7 certificate", "node.snapshot:check_offer",
          "check_final(trusted, offer.header, offer.certificate, verify)", "pass",
          law(snapshots.test_s7_a_certificate_is_judged_by_the_set_that_genesis_leads_to)),
    Plant("S8 window", "node.snapshot_build:Builder._check_blocks",
          "if not reaches and (first != 1 or expected != self._genesis.digest):", "if False:",
          law(snapshots.test_b1_a_replay_window_that_is_cut_short_is_refused)),
    Plant("S8 past", "node.history_store:finish_past",
          'batch += past.store.scan(ERA, ERA + b"\\xff" * 9)', "pass",
          law(snapshots.test_s8_a_snapshot_is_all_that_execution_needs, snapshots.CHAIN)),
    # --------------------------------------------------------------------------------- B: bounds
    Plant("B3", "node.candidates:Candidates.want",
          "if digest(body) == compact.header.body_hash:", "if True:", swarm),
    Plant("B6", REPLICA + "_on_complaint", "self._leave_early()", "pass",
          law(silence.test_b6_a_complaint_leaves_the_round_once_and_alarms)),
    Plant("B7 round", REPLICA + "_leave_round", "if at.round >= ROUND_MAX:", "if False:",
          law(bounds.test_b7_at_the_round_cap_the_node_stops_and_asks_for_help)),
    Plant("B8", REPLICA + "_receive_signed",
          "if is_held(at, message, proven):", "if False:",
          law(bounds.test_b8_what_cannot_count_is_dropped_before_its_signature_is_checked)),
    Plant("B9", "consensus.votes:Tally.add", "if len(rounds) > self._rounds_max:", "if False:",
          law(test_pure_rules.test_b9_the_ninth_round_of_a_validator_drops_its_lowest)),
    Plant("B12", CHECKS + "check_signature", 'raise Malformed("a wrong signature")', "pass",
          law(bounds.test_b8_a_wrong_signature_leaves_no_trace, SignedPrepare)),
    Plant("S2", "node.sync:Sync.behind", "claims[weak - 1]", "claims[0]",
          law(test_liars.test_s2_one_boaster_does_not_make_a_node_think_it_is_behind,
              test_liars.boast_and_owe)),
    Plant("S4", "node.sync:Sync._demote", "self._faults[peer] = self._faults.get(peer, 0) + 1",
          "pass", law(test_liars.test_s4_a_peer_that_served_bad_data_is_asked_last)),
    Plant("S11", "chain.execute:execute_block",
          "preamble = Preamble(header.creator, body.last_commit, body.evidence)",
          "preamble = Preamble(header.creator, body.last_commit, ())",
          law(sim_evidence.test_s11_a_chain_with_evidence_is_executed_again_by_a_rollback)),
    Plant("S3", "node.sync:Sync._is_certified",
          "if certificate.block_id != block_id(header):", "if False:",
          law(test_liars.test_f40_one_honest_peer_is_enough_to_catch_up, "header")),
]  # fmt: skip

# Parts that are not built yet. Each plant comes with its part.
WAITING = {
    "J72": "trades that can be refunded",
    "J73": "ballots",
}
ELSEWHERE = {
    "J59": "tests/contracts/test_coin_issue.py: amounts are Python integers, bounded by B8",
    "J77": "tests/node/test_store_damage.py: every bit of a store is flipped",
}


def plant_line(plant: Plant, patch: pytest.MonkeyPatch) -> None:
    """Put the bug into the running program, until `patch` is undone."""
    module_name, _, path = plant.where.partition(":")
    module = importlib.import_module(module_name)
    function: Any = module
    for name in path.split("."):
        function = inspect.getattr_static(function, name)
    if isinstance(function, property):
        function = function.fget
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(plant.line) == 1, f"{plant.id}: {plant.where} has no such line any more"
    lines = source.replace(plant.line, plant.instead).splitlines()
    while lines[0].startswith("@"):
        del lines[0]
    code = compile("\n".join(lines), f"planted {plant.id}", "exec")
    patch.setattr(function, "__code__", _find_code(code, function.__name__))


def _find_code(code: CodeType, name: str) -> CodeType:
    found = [one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == name]
    assert len(found) == 1
    return found[0]


def catch(plant: Plant) -> str | None:
    """Hunt, and return what fell; None if nobody noticed anything."""
    try:
        plant.hunt()
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever it is, it was noticed
        return f"{type(error).__name__}: {error}"
    return None
