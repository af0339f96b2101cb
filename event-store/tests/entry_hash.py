#!/usr/bin/env python3
"""Recomputes entry hashes from docs/entry-hash.md alone, with nothing but Python's own library.

    entry_hash.py FILE    FILE is a JSON array of events with their `entry_hash`; `-` reads stdin.

Says which do not fit and ends with 1, or how many do. It shares no code with Agora: it is what an
outsider would write.
"""
import hashlib
import json
import sys

TAG = "agora/event/v1"
FIELDS = (
    "event_id",
    "aggregate_type",
    "aggregate_id",
    "sequence",
    "event_type",
    "event_version",
    "payload",
    "metadata",
    "recorded_at",
)


def netstring(text: str) -> bytes:
    data = text.encode("utf-8")
    return str(len(data)).encode("ascii") + b":" + data + b","


def entry_hash(event: dict) -> str:
    parts = [TAG] + [str(event[field]) for field in FIELDS]
    return hashlib.sha256(b"".join(netstring(part) for part in parts)).hexdigest()


def main() -> int:
    if sys.argv[1] == "-":
        events = json.load(sys.stdin)
    else:
        with open(sys.argv[1], encoding="utf-8") as file:
            events = json.load(file)
    wrong = [n for n, event in enumerate(events) if entry_hash(event) != event["entry_hash"]]
    for n in wrong:
        print(f"event {n} ({events[n]['event_id']}): the entry hash does not fit")
    if not wrong:
        print(f"{len(events)} entry hashes fit")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
