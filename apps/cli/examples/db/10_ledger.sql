-- Every movement of money, never changed and never deleted.
create table ledger (
  id bigint primary key,
  payment_id uuid not null references payments (id),
  amount bigint not null,
  at timestamptz not null
)
