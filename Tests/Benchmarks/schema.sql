-- After `pgbench -i`. W3 and W4 have tables of their own; every balance is 0.
CREATE TABLE w3 (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ref bigint NOT NULL,
  slot int UNIQUE, -- slot 1 is taken: a second one is the violation
  note text NOT NULL
);
CREATE TABLE w4 (
  id bigint PRIMARY KEY,
  amount numeric(14, 4) NOT NULL,
  label text NOT NULL,
  created_at timestamptz NOT NULL,
  meta jsonb NOT NULL,
  active bool NOT NULL
);
INSERT INTO w4
SELECT n, (n * 37 % 1000003)::numeric / 100, 'item ' || n || ' "' || md5(n::text) || '" é',
  timestamptz '2024-01-01 00:00:00+00' + n * interval '61.25 seconds',
  jsonb_build_object('n', n, 'tags', jsonb_build_array('a', 'b', n % 7), 'even', n % 2 = 0),
  n % 3 = 0
FROM generate_series(1, 20000) n;
CREATE EXTENSION pg_prewarm;
VACUUM ANALYZE;
