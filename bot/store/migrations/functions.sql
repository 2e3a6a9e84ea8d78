-- Functions of SQLite that our statements use, for PostgreSQL, under the same names; put in place again
-- at every migration. Days are ISO text, JSON is text, as everywhere in the schema.

CREATE OR REPLACE FUNCTION json_each(list text, OUT value text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT jsonb_array_elements_text(list::jsonb) $$;

CREATE OR REPLACE FUNCTION json_extract(object text, path text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT object::jsonb #>> string_to_array(substr(path, 3), '.') $$;

CREATE OR REPLACE FUNCTION json_array_length(list text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT jsonb_array_length(list::jsonb)::bigint $$;

CREATE OR REPLACE FUNCTION qunguan_array_text(list text[]) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(array_to_json(list)::text, '[]') $$;

CREATE OR REPLACE AGGREGATE json_group_array(text) (
  SFUNC = array_append, STYPE = text[], FINALFUNC = qunguan_array_text
);

CREATE OR REPLACE FUNCTION date(day text, change text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_char(to_date(day, 'YYYY-MM-DD') + change::interval, 'YYYY-MM-DD') $$;

-- date(seconds, 'unixepoch'), in UTC
CREATE OR REPLACE FUNCTION date(seconds bigint, epoch text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT to_char(timestamp '1970-01-01' + make_interval(secs => seconds), 'YYYY-MM-DD') $$;

CREATE OR REPLACE FUNCTION julianday(day text) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT to_char(to_date(day, 'YYYY-MM-DD'), 'J')::double precision $$;

CREATE OR REPLACE FUNCTION instr(words text, part text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT strpos(words, part)::bigint $$;

CREATE OR REPLACE FUNCTION substr(words text, first bigint) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT substr(words, first::integer) $$;

CREATE OR REPLACE FUNCTION substr(words text, first bigint, most bigint) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT substr(words, first::integer, most::integer) $$;

CREATE OR REPLACE FUNCTION min(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT least(a, b) $$;

CREATE OR REPLACE FUNCTION max(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT greatest(a, b) $$;

-- how often something is true
CREATE OR REPLACE FUNCTION qunguan_count_true(so_far bigint, holds boolean) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN holds IS NULL THEN so_far ELSE coalesce(so_far, 0) + holds::integer END $$;

CREATE OR REPLACE AGGREGATE sum(boolean) (SFUNC = qunguan_count_true, STYPE = bigint);
