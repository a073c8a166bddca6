import pg from 'pg'

/** A connection that holds rows while requests of the app run into them. */
export interface RowLock {
  /** Resolves once `count` connections of the app wait for a lock, or the rows have been let go. */
  waiters(count: number): Promise<void>
  /** Lets the rows go and waits until they are free. */
  release(): Promise<void>
}

/** Takes the rows that `sql` selects for update, on a connection apart from the app's. */
export async function holdRows(databaseUrl: string, sql: string, values: readonly unknown[]): Promise<RowLock> {
  const holder = new pg.Client(databaseUrl)
  const watcher = new pg.Client(databaseUrl)
  await Promise.all([holder.connect(), watcher.connect()])
  await holder.query('BEGIN')
  await holder.query(sql, [...values])
  let released = false
  const countWaiting = async (): Promise<number> => {
    const { rows } = await watcher.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'brainspark' AND wait_event_type = 'Lock'`,
    )
    return rows[0]?.waiting ?? 0
  }
  return {
    async waiters(count) {
      while (!released && (await countWaiting()) < count);
    },
    async release() {
      released = true
      await holder.query('COMMIT')
      await Promise.all([holder.end(), watcher.end()])
    },
  }
}
