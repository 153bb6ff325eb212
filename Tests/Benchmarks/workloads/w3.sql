-- pgbench gives a client up after an error, so the seventh insert cannot fail here: it goes in, and is
-- rolled back with its group.
\set ref random(1, 1000000000)
BEGIN;
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 1');
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 2');
SAVEPOINT s1;
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 3');
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 4');
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 5');
SAVEPOINT s2;
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 6');
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 7');
ROLLBACK TO SAVEPOINT s2;
RELEASE SAVEPOINT s2;
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 8');
RELEASE SAVEPOINT s1;
SAVEPOINT s1;
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 9');
INSERT INTO w3 (ref, slot, note) VALUES (:ref, NULL, 'row 10');
RELEASE SAVEPOINT s1;
COMMIT;
