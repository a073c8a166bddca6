import { readdirSync } from 'node:fs'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { migrate } from '../../src/platform/db/migrate.ts'
import { newId } from '../../src/platform/ids.ts'
import { makeFamily, startConversation, takeTurn } from '../helpers/family.ts'
import { relieved } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { runToEnd } from '../helpers/server-process.ts'

const MIGRATIONS = 'prisma/migrations'
const NAMES = readdirSync(MIGRATIONS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort()

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** A database without any table, for `work`. */
async function withEmptyDatabase(work: (url: string) => Promise<void>): Promise<void> {
  const name = `empty_${newId().replaceAll('-', '')}`
  const url = new URL(inject('templateUrl'))
  url.pathname = '/postgres'
  const admin = String(url)
  await withClient(admin, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE template0`))
  url.pathname = `/${name}`
  try {
    await work(String(url))
  } finally {
    await withClient(admin, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`))
  }
}

const ledgerOf = (url: string) =>
  withClient(url, async (client) => (await client.query('SELECT migration_name, finished_at, applied_steps_count FROM _prisma_migrations ORDER BY 1')).rows)

describe('migrations', () => {
  it('give exactly prisma/schema.prisma', async () => {
    const { code, stdout, stderr } = await runToEnd(['src/tools/schema.ts', 'drift'])
    expect([code, stdout], stderr).toEqual([0, 'the migrations give prisma/schema.prisma\n'])
  })

  it('are applied once when three instances start together', () =>
    withEmptyDatabase(async (url) => {
      const applied = await Promise.all([1, 2, 3].map(() => migrate(url, MIGRATIONS)))
      expect(applied.flat()).toEqual(NAMES)
      const ledger = await ledgerOf(url)
      expect(ledger).toEqual(NAMES.map((name) => ({ migration_name: name, finished_at: expect.any(Date), applied_steps_count: 1 })))
      expect(await migrate(url, MIGRATIONS)).toEqual([])
    }))

  it('leave nothing behind of one that fails, and start nothing on top of one that failed earlier', () =>
    withEmptyDatabase(async (url) => {
      await withClient(url, (client) => client.query('CREATE TABLE wallets (in_the_way integer)'))
      await expect(migrate(url, MIGRATIONS)).rejects.toThrow(`Migration ${NAMES[0]} failed`)
      const tables = await withClient(
        url,
        async (client) => (await client.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`)).rows,
      )
      expect(tables).toEqual([{ tablename: '_prisma_migrations' }, { tablename: 'wallets' }])
      expect(await ledgerOf(url)).toEqual([])

      await withClient(url, (client) =>
        client.query(`INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('1', 'x', '${NAMES[0]}'); DROP TABLE wallets`),
      )
      await expect(migrate(url, MIGRATIONS)).rejects.toThrow('failed earlier')
    }))
})

describe('what the database refuses whatever the code does', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer()
    await relieved(server.app)
  })
  afterAll(() => server.close())

  /** A family that has earned its first stars. */
  async function makeEarner() {
    const family = await makeFamily(server.api)
    const conversation = await startConversation(server.api, family)
    await takeTurn(server.api, family, conversation)
    const ended = await server.api.post(`/v1/conversations/${conversation}/end`, { token: family.token, child: family.childId })
    expect(ended.body.data.rewards_earned).toContainEqual({ type: 'star', amount: 5 })
    return family
  }

  it('a change of a line of the star ledger', async () => {
    const { prisma } = server.deps.db
    const { childId } = await makeEarner()
    await expect(prisma.starEntry.updateMany({ where: { childId }, data: { amount: 500 } })).rejects.toThrow('rows of star_ledger are never changed')
    await expect(prisma.$executeRaw`UPDATE star_ledger SET reason = 'gift' WHERE child_id = ${childId}::uuid`).rejects.toThrow('never changed')
    expect(await prisma.starEntry.findMany({ where: { childId }, select: { amount: true } })).toEqual([{ amount: 5 }])
  })

  it('the same reason paid twice', async () => {
    const { prisma } = server.deps.db
    const { childId } = await makeEarner()
    const [entry] = await prisma.starEntry.findMany({ where: { childId } })
    await expect(prisma.starEntry.create({ data: entry! })).rejects.toMatchObject({ code: 'P2002' })
  })

  it('a change of a consent', async () => {
    const { prisma } = server.deps.db
    const { id } = await makeFamily(server.api)
    await expect(prisma.consent.updateMany({ where: { accountId: id }, data: { version: '2099-01-01' } })).rejects.toThrow('rows of consents are never changed')
    const consents = await prisma.consent.findMany({ where: { accountId: id }, orderBy: { document: 'asc' } })
    expect(consents.map(({ document }) => document)).toEqual(['coppa', 'privacy', 'terms'])
    expect(consents.every(({ version }) => version !== '2099-01-01')).toBe(true)
  })

  it('a wallet below zero', async () => {
    const { prisma } = server.deps.db
    const { childId } = await makeEarner()
    await expect(prisma.wallet.update({ where: { childId }, data: { balance: { decrement: 6 } } })).rejects.toThrow('wallets_balance_check')
    await expect(prisma.wallet.update({ where: { childId }, data: { lifetimeEarned: -1 } })).rejects.toThrow('wallets_balance_check')
    expect(await prisma.wallet.findUniqueOrThrow({ where: { childId } })).toMatchObject({ balance: 5, lifetimeEarned: 5 })
  })

  it.each([
    ['children_time_limit_check', 'UPDATE children SET daily_time_limit_minutes = 1441 WHERE id = $1::uuid'],
    ['children_bedtime_check', `UPDATE children SET bedtime_start = '19:30' WHERE id = $1::uuid`],
    ['conversations_depth_check', 'UPDATE conversations SET depth = 11 WHERE child_id = $1::uuid'],
    ['messages_role_check', `UPDATE messages SET role = 'system' WHERE child_id = $1::uuid`],
    ['topic_days_time_check', 'UPDATE topic_days SET time_ms = -1 WHERE child_id = $1::uuid'],
  ])('what breaks %s', async (constraint, statement) => {
    const { childId } = await makeEarner()
    await expect(server.deps.db.prisma.$executeRawUnsafe(statement, childId)).rejects.toThrow(constraint)
  })
})
