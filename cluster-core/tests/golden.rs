//! Golden vectors of the stored hashes. They never change: whoever changes a hash makes a new
//! version of its specification beside the old one.
//!
//! Computed by other programs: xxh3 by the reference implementation of xxHash 0.8.4 (its C
//! library), SHA-256 by Python's hashlib, over the bytes that the specifications name.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

use std::collections::HashSet;

use cluster_core::id::{
    EntityId, Key, KeyDigest, MessageTag, SHARD_HASH_VERSION, ShardCount, ShardId,
};

/// An id, its xxh3, and its shard of 256, 1, 7 and 65,536.
fn shard_vectors() -> Vec<(String, u64, [u32; 4])> {
    let vectors = [
        ("a", 0xe6c632b61e964e1f, [31, 0, 1, 19999]),
        ("A", 0xd0d496e05c553485, [133, 0, 1, 13445]),
        ("alice", 0x4da10dd61a0116b0, [176, 0, 5, 5808]),
        ("bob", 0x1403c0c40f49b8e5, [229, 0, 4, 47333]),
        ("acct-00000001", 0x18cd98d292ee93c3, [195, 0, 1, 37827]),
        ("acc-4999", 0xec87ee6a2f633707, [7, 0, 1, 14087]),
        ("order/2024/17", 0xc0046e8cff95d3b2, [178, 0, 5, 54194]),
        ("\0", 0xc44bdff4074eecdb, [219, 0, 2, 60635]),
        ("a\0b", 0xd5a06cd078125351, [81, 0, 4, 21329]),
        (" ", 0xfc1537fc103cb7cf, [207, 0, 2, 47055]),
        ("x ", 0xfd209c7a9ea5b3a6, [166, 0, 1, 45990]),
        ("ä", 0x543064676a70b4b4, [180, 0, 0, 46260]),
        ("🦀", 0x38256e7e50056328, [40, 0, 6, 25384]),
        ("日本語", 0x11fec42c806050b7, [183, 0, 5, 20663]),
        ("00000000-0000-0000-0000-000000000000", 0xed65b0772be50ee9, [233, 0, 0, 3817]),
    ];
    // xxh3 takes another way for each of these lengths.
    let long = [
        ("x".repeat(128), 0x4ca37e83f6cddd17, [23, 0, 6, 56599]),
        ("x".repeat(129), 0xe4f9742108fe27dc, [220, 0, 2, 10204]),
        ("y".repeat(240), 0x5e839ba32d77d222, [34, 0, 1, 53794]),
        ("z".repeat(241), 0xc9b6e99de4449036, [54, 0, 1, 36918]),
        ("k".repeat(1024), 0x686d3de82e988280, [128, 0, 4, 33408]),
    ];
    let short = vectors.map(|(id, hash, shards)| (id.to_owned(), hash, shards));
    short.into_iter().chain(long).collect()
}

// proves: B132
#[test]
fn an_id_is_in_its_shard_for_ever() {
    assert_eq!(SHARD_HASH_VERSION, 1, "a new version has vectors of its own");
    for (id, hash, shards) in shard_vectors() {
        let id = EntityId::from(id);
        for (count, shard) in [256, 1, 7, 65_536].into_iter().zip(shards) {
            assert_eq!(hash % u64::from(count), u64::from(shard), "the vector itself, for {id}");
            let count = ShardCount::new(count).unwrap();
            assert_eq!(ShardId::of(&id, count).as_u32(), shard, "{id} of {}", count.get());
        }
    }
}

// proves: B132
#[test]
fn a_shard_depends_on_the_id_alone() {
    // A type is no argument of the shard's: types with equal id and group share a shard. Ids spread
    // evenly: of 25,600 each of 256 shards has about 100.
    let count = ShardCount::default();
    let mut entities = [0_u32; 256];
    for number in 0..25_600 {
        let shard = ShardId::of(&EntityId::from(format!("account-{number}")), count);
        entities[shard.as_u32() as usize] += 1;
    }
    assert!(entities.iter().all(|shard| (50..150).contains(shard)), "{entities:?}");
}

// proves: B132
#[test]
fn a_message_has_its_tag_for_ever() {
    let vectors = [
        ("", 0x2d06800538d394c2),
        ("withdraw", 0xe6902f3c51c38172),
        ("deposit", 0xcd88e30faaa14e24),
        ("a_message_with_a_long_name_of_more_than_thirty_two_bytes", 0x6ef1a47b9dabd568),
        ("überweisen", 0x3b03add0d86a4c38),
    ];
    for (name, tag) in vectors {
        assert_eq!(MessageTag::of(name), MessageTag::new(tag), "{name}");
    }
}

// proves: B132
#[test]
fn a_key_has_its_digest_for_ever() {
    let withdraw = MessageTag::of("withdraw");
    let (long_id, long_key) = ("x".repeat(1024), "k".repeat(1024));
    let vectors = [
        (
            ("Account", "alice", withdraw, "payment-7"),
            "3700000000000000d887b33f8135edd89bf164b1c4c3572af7c43203ba3d794d",
        ),
        (
            ("Account", "alice", withdraw, "payment-8"),
            "380000000000000096b920d9a8dc581593ca3b9dfe67ec0bef016ef5f41a4fde",
        ),
        // The same characters, cut at other places.
        (
            ("Account", "alicep", withdraw, "ayment-7"),
            "37000000000000008ab0837715e16b4cc63d323d72dabe5b55df3e367d3eb7d8",
        ),
        (
            ("Accounta", "lice", withdraw, "payment-7"),
            "3700000000000000991717572e25bd1df7292de7184f06a5ec2bb242052e4109",
        ),
        (
            ("Order", "ä🦀", MessageTag::new(0), "\0"),
            "00000000000000002881d85d94b10f48ae6a23a341ac8c5834fc799dd8f27e15",
        ),
        (
            ("Order", &long_id, MessageTag::new(u64::MAX), &long_key),
            "6b6b6b6b6b6b6b6b1a38b04aa1346929982198001785fb60230f2aa0dc8b1ff3",
        ),
    ];
    let mut digests = HashSet::new();
    for ((entity_type, id, message, key), digest) in vectors {
        let key = Key::new(key).unwrap();
        let found = KeyDigest::of(entity_type, &id.into(), message, &key);
        assert_eq!(format!("{found:?}"), format!("KeyDigest({digest})"), "{entity_type}/{id}");
        assert!(digests.insert(found));
    }
}

/// Keys that count up stand one after the other in the index of keys, whatever entity they are for
/// and whatever stands before the number that is no other number; no two are the same.
// proves: B33
#[test]
fn keys_that_count_up_stand_in_their_order() {
    let digest = |id: u64, key: String| {
        let (id, key) = (id.to_string().as_str().into(), Key::new(key).unwrap());
        KeyDigest::of("Account", &id, MessageTag::of("withdraw"), &key)
    };
    let ordered: [fn(u64) -> String; 5] = [
        |number| number.to_string(),
        |number| format!("payment-{number}"),
        |number| format!("invoice/{number:012}"),
        // A UUID of version 7 begins with milliseconds; these are the upper 32 of their 48 bits.
        |number| format!("{:08x}-5d21-7c3f-9a40-0f1e2d3c4b5a", 0x0199_0000 + number),
        |number| format!("02:{:02}:{:02}", number / 60, number % 60),
    ];
    for key in ordered {
        let digests: Vec<_> =
            (100..900).map(|number| digest(number * 7 % 10, key(number))).collect();
        assert!(digests.is_sorted(), "{}", key(100));
        assert_eq!(digests.iter().collect::<HashSet<_>>().len(), 800);
    }
}
