import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { newId } from '../../src/platform/ids.ts'
import { CONSENTS, PASSWORD, TOPIC } from '../helpers/family.ts'
import { killPostgres, postgresPid, runToEnd, type ServerProcess, startServerProcess } from '../helpers/server-process.ts'
import { openChildSocket } from '../helpers/socket.ts'

const PACE_MS = '250'
const dataDir = mkdtempSync(path.join(tmpdir(), 'brainspark-process-'))
let running: ServerProcess | undefined
afterAll(async () => {
  await running?.end('SIGKILL')
  killPostgres(dataDir)
  rmSync(dataDir, { recursive: true, force: true })
})

async function start(): Promise<ServerProcess> {
  running = await startServerProcess(dataDir, { RATE_LIMIT_MULTIPLIER: '1000', TUTOR_PACE_MS: PACE_MS })
  return running
}

function request(server: ServerProcess, method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(server.address + url, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

/** The `data` of an answer. */
const dataOf = async <T>(response: Response): Promise<T> => ((await response.json()) as { data: T }).data

interface Account {
  readonly email: string
  readonly token: string
  readonly childId: string
  readonly conversationId: string
}

/** A family in a conversation, all of it acknowledged. */
async function makeAccount(server: ServerProcess): Promise<Account> {
  const email = `${newId()}@example.com`
  const post = async (url: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await request(server, 'POST', url, body, headers)
    const text = await response.text()
    expect(response.status, text).toBe(201)
    return JSON.parse(text).data
  }
  const registered = await post('/v1/auth/register', { email, password: PASSWORD, display_name: 'Alex', timezone: 'UTC', consents: CONSENTS })
  const token: string = registered.tokens.access_token
  const as = { authorization: `Bearer ${token}` }
  const child = await post('/v1/children', { name: 'Emma', birth_date: `${new Date().getUTCFullYear() - 8}-01-15` }, as)
  const conversation = await post('/v1/conversations', { topic_id: TOPIC.space }, { ...as, 'x-child-id': child.id })
  return { email, token, childId: child.id, conversationId: conversation.conversation_id }
}

/** What was acknowledged is there: the login, the token given before, the child, the conversation. */
async function expectKept(server: ServerProcess, { email, token, childId, conversationId }: Account): Promise<void> {
  const login = await request(server, 'POST', '/v1/auth/login', { email, password: PASSWORD })
  expect(login.status, await login.clone().text()).toBe(200)
  const me = await request(server, 'GET', '/v1/parents/me', undefined, { authorization: `Bearer ${token}` })
  expect((await dataOf<{ children: { id: string }[] }>(me)).children.map((child) => child.id)).toEqual([childId])
  const history = await request(server, 'GET', `/v1/conversations/${conversationId}/messages`, undefined, {
    authorization: `Bearer ${token}`,
    'x-child-id': childId,
  })
  expect((await dataOf<unknown[]>(history)).length).toBeGreaterThan(0)
}

/** Reads server-sent events until one named so has come whole; what follows stays in the stream. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, event: string | undefined): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  while (event === undefined || !new RegExp(`event: ${event}\\n.*\\n\\n`).test(text)) {
    const { done, value } = await reader.read()
    if (done) break
    text += decoder.decode(value, { stream: true })
  }
  return text
}

describe.sequential('the server as a process, on one data directory from its first start to its last', () => {
  const accounts: Account[] = []

  it('starts from nothing with a PostgreSQL and keys of its own', async () => {
    const server = await start()
    expect(server.stdout()).toContain(`${server.address}/docs`)
    const ready = await request(server, 'GET', '/readyz')
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready', checks: { postgres: 'ok', revocations: 'ok' } }])
    expect(readdirSync(dataDir)).toEqual(expect.arrayContaining(['keys', 'pgdata']))
    accounts.push(await makeAccount(server))
  })

  it('drains on SIGTERM: the turn under way finishes, sockets are told to come back with 1012, exit code 0', async () => {
    const server = running as ServerProcess
    const account = await makeAccount(server)
    accounts.push(account)
    const socket = await openChildSocket(server.address, account.token, account.childId)
    const turn = await request(
      server,
      'POST',
      `/v1/conversations/${account.conversationId}/messages`,
      { choice_index: 0 },
      {
        authorization: `Bearer ${account.token}`,
        'x-child-id': account.childId,
        accept: 'text/event-stream',
      },
    )
    expect(turn.status).toBe(201)
    const reader = (turn.body as ReadableStream<Uint8Array>).getReader()
    const first = await readUntil(reader, 'message_chunk')
    expect(first).not.toContain('event: message_complete')
    const ended = server.end('SIGTERM')
    const rest = await readUntil(reader, undefined)
    expect(rest).toContain('event: message_complete')
    expect(rest).not.toContain('event: error')
    expect(await socket.closed).toBe(1012)
    expect(await ended).toBe(0)
    expect(postgresPid(dataDir)).toBeUndefined()
  })

  it('starts again and keeps what was there', async () => {
    const server = await start()
    for (const account of accounts) await expectKept(server, account)
    const [, drained] = accounts as [Account, Account]
    const history = await request(server, 'GET', `/v1/conversations/${drained.conversationId}/messages`, undefined, {
      authorization: `Bearer ${drained.token}`,
      'x-child-id': drained.childId,
    })
    expect((await dataOf<{ role: string }[]>(history)).map(({ role }) => role)).toEqual(['assistant', 'user', 'assistant'])
  })

  it('recovers from kill -9 of the server alone, taking its PostgreSQL over', async () => {
    accounts.push(await makeAccount(running as ServerProcess))
    expect(await running?.end('SIGKILL')).toBeNull()
    const orphan = postgresPid(dataDir)
    expect(orphan).toBeGreaterThan(0)
    const server = await start()
    expect(postgresPid(dataDir)).toBe(orphan)
    for (const account of accounts) await expectKept(server, account)
  })

  it('recovers from kill -9 of the server and its PostgreSQL, and stops both when it is told to', async () => {
    accounts.push(await makeAccount(running as ServerProcess))
    const lost = postgresPid(dataDir)
    killPostgres(dataDir)
    expect(await running?.end('SIGKILL')).toBeNull()
    const server = await start()
    expect(postgresPid(dataDir)).not.toBe(lost)
    for (const account of accounts) await expectKept(server, account)
    expect(await server.end('SIGTERM')).toBe(0)
    expect(postgresPid(dataDir)).toBeUndefined()
    expect(server.stderr()).toBe('')
  })
})

describe('a configuration with faults', () => {
  it('ends with exit code 1 and every fault on stderr, without a value, before anything is made', async () => {
    const nowhere = path.join(dataDir, 'never')
    const { code, stdout, stderr } = await runToEnd(['src/server.ts'], { DATA_DIR: nowhere, PORT: 'eighty-hunter2', RATE_LIMIT_MULTIPLIER: '-1' })
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/2 faults/)
    expect(stderr).toMatch(/^ {2}- PORT: /m)
    expect(stderr).toMatch(/^ {2}- RATE_LIMIT_MULTIPLIER: /m)
    expect(stderr).not.toContain('hunter2')
    expect(readdirSync(dataDir)).not.toContain('never')
  })

  it('ends with exit code 1 when the database cannot be reached, without telling its password', async () => {
    const { code, stderr } = await runToEnd(['src/server.ts'], { DATA_DIR: dataDir, PORT: '0', DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/none' })
    expect(code).toBe(1)
    expect(stderr).toContain('could not start')
    expect(stderr).not.toContain('hunter2')
  })
})
