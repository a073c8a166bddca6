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

/** Lets nobody connect to the database any more; who is connected stays. */
export async function holdOffConnections(databaseUrl: string): Promise<{ end(applicationName: string): Promise<void>; release(): Promise<void> }> {
  const url = new URL(databaseUrl)
  const name = url.pathname.slice(1)
  url.pathname = '/postgres'
  const admin = new pg.Client(String(url))
  await admin.connect()
  await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
  return {
    /** Ends the connections of that name. */
    async end(applicationName) {
      await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = $2', [name, applicationName])
    },
    async release() {
      await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      await admin.end()
    },
  }
}
