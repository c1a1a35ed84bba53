-- Device queues, version 1. Times are UTC milliseconds; ids are 16 bytes.
-- A queue's number is never given twice, so that nothing of a closed queue can turn up in a later one.
CREATE TABLE queues (
    queue INTEGER PRIMARY KEY AUTOINCREMENT,
    account BLOB NOT NULL,
    device INTEGER NOT NULL,
    registration_id INTEGER NOT NULL,
    last_position INTEGER NOT NULL DEFAULT 0,
    opened_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX queues_address ON queues (account, device);

-- Rows in the order of their commits, found by a narrow index: entries of many queues that are committed
-- together share pages. Clustered by queue, each would dirty a page of its own.
CREATE TABLE entries (
    entry INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    position INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    key BLOB,
    payload BLOB NOT NULL
);
CREATE UNIQUE INDEX entries_place ON entries (queue, position);
CREATE UNIQUE INDEX entries_key ON entries (queue, key) WHERE key IS NOT NULL;
CREATE INDEX entries_expiry ON entries (expires_at);

-- What a retry is recognised by; `queue` is the sending device's.
CREATE TABLE sends (
    queue INTEGER NOT NULL,
    message BLOB NOT NULL,
    conversation BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (queue, message)
) WITHOUT ROWID;
CREATE INDEX sends_expiry ON sends (expires_at);

CREATE TABLE sequences (
    queue INTEGER NOT NULL,
    conversation BLOB NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (queue, conversation)
) WITHOUT ROWID;

CREATE TABLE probe (only INTEGER PRIMARY KEY CHECK (only = 1), count INTEGER NOT NULL);
INSERT INTO probe VALUES (1, 0);
