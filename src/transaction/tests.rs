//! The machines of transactions.

use std::sync::Arc;

use bytes::Bytes;
use ferrymq_openwire::ids::{ConnectionId, XaTransactionId};

use super::*;

fn id(number: u8) -> XaTransactionId {
    XaTransactionId {
        format_id: 1,
        global_transaction_id: Some(Bytes::from(vec![number])),
        branch_qualifier: Some(Bytes::from(vec![1])),
    }
}

fn connection(name: &str) -> ConnectionId {
    ConnectionId::new(name)
}

/// Branches whose work is a list of words; branch 1 of connection "a" (number 1) has begun.
fn begun() -> Branches<Vec<&'static str>> {
    let mut branches = Branches::default();
    branches.begin(&id(1), 1, &connection("a"), Vec::new).unwrap();
    branches
}

/// A branch is kept as it should be.
fn kept(_: &BranchSnapshot, _: &mut Vec<&'static str>) -> Result<(), String> {
    Ok(())
}

/// Nothing hinders a commit.
fn freely(_: &Vec<&'static str>) -> Option<String> {
    None
}

fn add(branches: &mut Branches<Vec<&'static str>>, word: &'static str) {
    branches.work(&id(1), &connection("a")).unwrap().unwrap().push(word);
}

fn prepared() -> Branches<Vec<&'static str>> {
    let mut branches = begun();
    add(&mut branches, "work");
    assert_eq!(branches.prepare(&id(1), 5, Vec::is_empty, kept), Ok(Prepare::Ready));
    branches
}

#[test]
fn a_branch_commits_in_one_phase_or_in_two() {
    let mut branches = begun();
    add(&mut branches, "work");
    assert_eq!(branches.commit(&id(1), false, freely).unwrap_err().code, XaCode::Protocol);
    assert_eq!(branches.commit(&id(1), true, freely), Ok(Ending::Commit(vec!["work"])));
    assert_eq!(branches.roll_back(&id(1)).unwrap_err().code, XaCode::Unknown);

    let mut branches = prepared();
    assert_eq!(branches.recover(), [id(1)]);
    assert_eq!(branches.commit(&id(1), false, freely), Ok(Ending::Commit(vec!["work"])));
    assert_eq!(branches.recover(), []);
    // The answer was lost.
    assert_eq!(branches.commit(&id(1), false, freely), Ok(Ending::Already));
    assert_eq!(branches.commit(&id(2), false, freely).unwrap_err().code, XaCode::Unknown);
}

#[test]
fn a_branch_without_work_needs_no_second_phase() {
    let mut branches = begun();
    assert_eq!(branches.prepare(&id(1), 5, Vec::is_empty, kept), Ok(Prepare::Nothing));
    assert_eq!(branches.commit(&id(1), false, freely).unwrap_err().code, XaCode::Unknown);
}

#[test]
fn a_branch_that_failed_can_only_be_rolled_back() {
    let failed = || {
        let mut branches = begun();
        add(&mut branches, "work");
        branches.fail(&id(1), "a message was refused");
        branches
    };
    let (error, work) = failed().prepare(&id(1), 5, Vec::is_empty, kept).unwrap_err();
    assert_eq!((error.code, work), (XaCode::RolledBack, Some(vec!["work"])));
    assert!(error.to_string().ends_with("a message was refused xaErrorCode:100"), "{error}");
    let Ok(Ending::Failed(work, error)) = failed().commit(&id(1), true, freely) else {
        panic!("no")
    };
    assert_eq!((error.code, work), (XaCode::RolledBack, vec!["work"]));
    assert_eq!(failed().roll_back(&id(1)), Ok(Ending::RollBack(vec!["work"])));
}

#[test]
fn the_end_of_a_connection_takes_what_is_not_prepared() {
    let mut branches = begun();
    add(&mut branches, "one");
    branches.begin(&id(2), 2, &connection("b"), || vec!["two"]).unwrap();
    branches.begin(&id(3), 1, &connection("a"), || vec!["three"]).unwrap();
    branches.begin(&id(4), 1, &connection("a"), || vec!["four"]).unwrap();
    branches.prepare(&id(4), 5, Vec::is_empty, kept).unwrap();
    assert_eq!(branches.abandon(1), [vec!["one"], vec!["three"]]);
    assert_eq!(branches.recover(), [id(4)]);
    assert_eq!(branches.commit(&id(2), true, freely), Ok(Ending::Commit(vec!["two"])));
}

#[test]
fn what_a_connection_tells_anew_is_not_done_twice_and_another_may_not_add_to_it() {
    let mut branches = prepared();
    branches.begin(&id(1), 9, &connection("a"), Vec::new).unwrap();
    assert_eq!(branches.work(&id(1), &connection("a")), Ok(None));
    assert_eq!(branches.prepare(&id(1), 6, Vec::is_empty, kept), Ok(Prepare::Ready));
    let other = connection("b");
    let refused = branches.begin(&id(1), 2, &other, Vec::new).unwrap_err();
    assert_eq!(refused.code, XaCode::Protocol);
    assert_eq!(branches.work(&id(1), &other).unwrap_err().code, XaCode::Protocol);
    assert_eq!(branches.commit(&id(1), false, freely), Ok(Ending::Commit(vec!["work"])));
}

#[test]
fn what_an_operator_decides_is_told_until_it_is_forgotten() {
    for (commit, code) in
        [(true, XaCode::HeuristicallyCommitted), (false, XaCode::HeuristicallyRolledBack)]
    {
        let mut branches = prepared();
        assert_eq!(branches.forget(&id(1)).unwrap_err().code, XaCode::Protocol);
        let (ending, decided) = branches.decide(&id(1), commit, 7, freely).unwrap();
        let expected =
            if commit { Ending::Commit(vec!["work"]) } else { Ending::RollBack(vec!["work"]) };
        assert_eq!(ending, expected);
        assert_eq!((decided.number, decided.since), (1, 7));
        assert_eq!(branches.decide(&id(1), commit, 8, freely).unwrap_err().code, code);
        assert_eq!(branches.commit(&id(1), false, freely).unwrap_err().code, code);
        assert_eq!(branches.roll_back(&id(1)).unwrap_err().code, code);
        assert_eq!((branches.recover(), branches.snapshots()[0].since), (vec![id(1)], 7));
        assert_eq!(branches.forget(&id(1)).unwrap().phase, decided.phase);
        assert_eq!(branches.recover(), []);
    }
    assert_eq!(begun().decide(&id(1), true, 7, freely).unwrap_err().code, XaCode::Protocol);
}

#[test]
fn identifiers_are_bounded_and_read_as_they_are_written() {
    let long = XaTransactionId {
        global_transaction_id: Some(Bytes::from(vec![0; 65])),
        ..XaTransactionId::default()
    };
    let refused = begun().begin(&long, 1, &connection("a"), Vec::new).unwrap_err();
    assert_eq!(refused.code, XaCode::Invalid);
    let written = id(171).to_string();
    assert_eq!(written, "XID:[1,globalId=ab,branchId=01]");
    assert_eq!(XaTransactionId::parse(&written), Some(id(171)));
    for wrong in ["", "XID:[1,globalId=abc,branchId=]", "XID:[x,globalId=,branchId=]", "XID:[1]"] {
        assert_eq!(XaTransactionId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn what_cannot_be_kept_is_not_prepared_and_what_cannot_be_done_now_is_done_later() {
    let mut branches = begun();
    add(&mut branches, "work");
    let full = |_: &BranchSnapshot, _: &mut Vec<&'static str>| Err("the disk is full".to_owned());
    let (error, work) = branches.prepare(&id(1), 5, Vec::is_empty, full).unwrap_err();
    assert_eq!((error.code, work), (XaCode::RolledBack, Some(vec!["work"])));
    assert_eq!(branches.roll_back(&id(1)).unwrap_err().code, XaCode::Unknown);

    let full = |_: &Vec<&'static str>| Some("the disk is full".to_owned());
    let mut branches = prepared();
    assert_eq!(branches.commit(&id(1), false, full).unwrap_err().code, XaCode::Retry);
    assert_eq!(branches.decide(&id(1), true, 7, full).unwrap_err().code, XaCode::Retry);
    assert_eq!(branches.recover(), [id(1)]);
    assert_eq!(branches.commit(&id(1), false, freely), Ok(Ending::Commit(vec!["work"])));

    let mut branches = begun();
    add(&mut branches, "work");
    let Ok(Ending::Failed(_, error)) = branches.commit(&id(1), true, full) else { panic!("no") };
    assert_eq!(error.code, XaCode::RolledBack);
}

#[test]
fn branches_and_commits_of_an_earlier_time_are_taken_up() {
    let mut branches = Branches::<Vec<&'static str>>::default();
    let branch = |number: u8, phase| BranchSnapshot {
        id: id(number),
        number: number.into(),
        phase,
        connection: connection("a"),
        since: 5,
    };
    branches.restore(branch(9, Phase::Prepared), Some(vec!["work"]));
    branches.restore(branch(3, Phase::HeuristicallyCommitted), None);
    assert_eq!(branches.recover(), [id(3), id(9)]);
    assert_eq!(branches.abandon(0), [] as [Vec<&str>; 0]);
    branches.recall([(4097, id(7)), (1, id(1)), (2, id(2))]);
    assert_eq!(branches.last_commit(), 4097);
    assert_eq!(branches.commit(&id(2), false, freely), Ok(Ending::Already));
    assert_eq!(branches.commit(&id(1), false, freely).unwrap_err().code, XaCode::Unknown);
    assert_eq!(branches.commit(&id(9), false, freely), Ok(Ending::Commit(vec!["work"])));
    assert_eq!(branches.last_commit(), 4098);
    let told = branches.commit(&id(3), false, freely).unwrap_err();
    assert_eq!(told.code, XaCode::HeuristicallyCommitted);
    branches.begin(&id(1), 1, &connection("a"), Vec::new).unwrap();
    add(&mut branches, "more");
    branches.prepare(&id(1), 6, Vec::is_empty, kept).unwrap();
    let numbers: Vec<u64> = branches.snapshots().iter().map(|branch| branch.number).collect();
    assert_eq!(numbers, [3, 10]);
}

#[test]
fn the_latest_commits_are_known_and_what_is_forgotten_is_not_denied() {
    let mut commits = RecentCommits::default();
    assert_eq!(commits.outcome(1), Outcome::NotCommitted);
    for number in [2, 1, 4] {
        commits.remember(number);
    }
    assert_eq!(commits.outcome(1), Outcome::Committed);
    assert_eq!(commits.outcome(3), Outcome::NotCommitted);
    for number in 5..258 {
        commits.remember(number);
    }
    assert_eq!(commits.outcome(2), Outcome::Committed);
    commits.remember(258);
    // The first page made room: 2, 1, 4, and 5 to 17.
    assert_eq!(commits.outcome(2), Outcome::Forgotten);
    assert_eq!(commits.outcome(3), Outcome::Forgotten);
    assert_eq!(commits.outcome(18), Outcome::Committed);
    assert_eq!(commits.outcome(259), Outcome::NotCommitted);
}

#[test]
fn commits_are_the_same_when_their_pages_were_kept() {
    let mut commits = RecentCommits::default();
    let mut kept = std::collections::BTreeMap::new();
    for number in 0..400 {
        commits.remember(number);
        // Some are not worth a page.
        if number % 40 < 20 {
            let page = commits.latest().unwrap();
            kept.insert(page.slot(), page.clone());
        }
        let again = RecentCommits::of_pages(kept.values().cloned());
        for asked in 0..=number {
            let kept = asked % 40 < 20;
            let expected = commits.outcome(asked);
            match again.outcome(asked) {
                // It may be forgotten earlier, as a part of a page that was replaced.
                Outcome::Forgotten => assert_ne!(expected, Outcome::NotCommitted, "{asked}"),
                Outcome::Committed => assert_ne!(expected, Outcome::NotCommitted, "{asked}"),
                Outcome::NotCommitted => assert!(!kept, "{asked} of {number}"),
            }
        }
        assert_eq!(again.outcome(number + 1), Outcome::NotCommitted);
    }
}

#[test]
fn connections_that_ended_are_remembered_within_bounds() {
    let mut outcomes = Outcomes::default();
    let commits = |number| {
        let mut commits = RecentCommits::default();
        commits.remember(number);
        commits
    };
    assert_eq!(outcomes.take(&connection("0")), RecentCommits::default());
    let mut forgotten = Vec::new();
    for number in 0..5000 {
        forgotten.extend(outcomes.keep(&connection(&number.to_string()), commits(number)));
    }
    assert_eq!(forgotten.len(), 5000 - 4096);
    assert_eq!(forgotten[0], (connection("0"), commits(0)));
    assert_eq!(outcomes.take(&connection("0")), RecentCommits::unknown());
    assert_eq!(outcomes.take(&connection("4999")), commits(4999));
    assert_eq!(outcomes.take(&connection("4999")), RecentCommits::unknown());
    // One that comes and goes takes one place, and long names take what they are.
    for number in 0..50_000 {
        outcomes.keep(&connection("again"), commits(number));
    }
    assert_eq!(outcomes.take(&connection("4998")), commits(4998));
    for number in 0..100 {
        let name = "x".repeat(60_000) + &number.to_string();
        outcomes.keep(&connection(&name), commits(number));
    }
    assert_eq!(outcomes.take(&connection("4997")), RecentCommits::unknown());
}

#[test]
fn no_two_open_transactions_bear_one_mark() {
    let tags: Arc<Tags> = Arc::default();
    let (one, two) = (tags.lease().unwrap(), tags.lease().unwrap());
    assert_ne!(one.tag(), two.tag());
    let free = one.tag();
    drop(one);
    assert_eq!(tags.lease().unwrap().tag(), free);
}
