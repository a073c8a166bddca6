import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import type { OpenAPIV3 } from 'openapi-types'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { DAY } from '../../src/platform/clock.ts'
import { newId } from '../../src/platform/ids.ts'
import { anotherDevice, sessionOf } from '../helpers/accounts.ts'
import type { ApiResponse } from '../helpers/api.ts'
import { childToken, createChild, makeFamily, PASSWORD, type Parent, registerParent, TOPIC, takeTurn } from '../helpers/family.ts'
import { type Described, documentOf, inlined, operationsOf } from '../helpers/openapi.ts'
import { relieved } from '../helpers/pressure.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { openSocket } from '../helpers/socket.ts'
import { giveStars } from '../helpers/stars.ts'

/** What anybody may call. A route that becomes public by mistake is not on this list. */
const PUBLIC = [
  'get /v1/auth/email/verify',
  'get /v1/notifications/unsubscribe',
  'get /v1/openapi.json',
  'get /v1/shop/previews/{file}',
  'get /v1/ws',
  'post /v1/auth/email/verify',
  'post /v1/auth/login',
  'post /v1/auth/oauth/{provider}',
  'post /v1/auth/password/forgot',
  'post /v1/auth/password/reset',
  'post /v1/auth/refresh',
  'post /v1/auth/register',
  'post /v1/notifications/unsubscribe',
]
/** Ids that belong to a family. Each member of the matrix has one of each of its own, made through the door. */
const PRIVATE_IDS = ['child_id', 'conversation_id', 'message_id', 'words_id', 'spark_id', 'session_id', 'flag_id'] as const
type PrivateId = (typeof PRIVATE_IDS)[number]
type Ids = Readonly<Record<PrivateId, string>>
/** Ids that are the same for everybody. In a path these are used; in bodies those of the example are. */
const COMMON_IDS: Readonly<Record<string, string>> = { topic_id: TOPIC.space, item_id: 'avatar_robot', avatar_id: '', theme_id: '', companion_id: '' }
/** What a path calls by another name: messages are replies, but where the child's own words are meant. */
const ALIASES: Readonly<Record<string, Readonly<Record<string, PrivateId>>>> = {
  'post /v1/dashboard/children/{child_id}/growth/{message_id}/dismiss': { message_id: 'words_id' },
}
/** Bodies of the operations whose example does not fit, or that have none. */
const BODIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'post /v1/auth/password': { current_password: PASSWORD, new_password: PASSWORD },
  'delete /v1/parents/me': { password: PASSWORD },
}
/** Those that end tokens come last: what else a missing check lets through is seen before they do. */
const LAST = ['delete /v1/auth/sessions', 'delete /v1/children/{child_id}', 'post /v1/auth/password', 'post /v1/auth/logout', 'delete /v1/parents/me']
const METHOD_ORDER = ['get', 'post', 'put', 'patch', 'delete']
const PIN = '1234'
/** The victim's name and words, which nobody else says. */
const NAME = 'Zephyrine'
const WORDS = 'Why do quokkas twinkle?'

/** An operation that is not public, with what of it belongs to a family. */
interface Guarded extends Described {
  readonly name: string
  readonly door: 'parent' | 'child'
  readonly privateIds: readonly PrivateId[]
  readonly body: Readonly<Record<string, unknown>> | undefined
  readonly accepts: readonly string[]
}

/** A child with one of everything, and the tokens that may speak for it. */
interface Member {
  readonly ids: Ids
  readonly parentToken: string
  readonly childToken: string
}

interface Attempt {
  readonly who: string
  readonly operation: Guarded
  readonly token: string | undefined
  /** Sent as X-Child-ID. */
  readonly child?: string | undefined
  readonly ids: Ids
  /** The same request with ids that nobody has in place of the victim's, which must be answered alike. */
  readonly nobodys?: { readonly child?: string | undefined; readonly ids: Ids }
  readonly expected: string
}

type Rows = Readonly<Record<string, readonly Record<string, unknown>[]>>

let server: TestServer
let address: string
let operations: readonly Described[]
let guarded: readonly Guarded[]
let [victim, sibling, stranger] = [] as unknown as [Member, Member, Member]
let faultyTokens: readonly (readonly [who: string, token: string | undefined, code: string])[]
let rowsBefore: Rows
let secrets: readonly string[]

const nameOf = ({ method, path }: Described) => `${method} ${path}`
const idNamed = (described: Described, name: string) => ALIASES[nameOf(described)]?.[name] ?? name
const parameters = ({ operation }: Described, place: string) =>
  (operation.parameters ?? []).flatMap((parameter) => ('in' in parameter && parameter.in === place ? [parameter.name] : []))
const isPublic = ({ operation }: Described) => operation.security?.length === 0

function exampleOf(described: Described): Readonly<Record<string, unknown>> | undefined {
  const request = described.operation.requestBody as OpenAPIV3.RequestBodyObject | undefined
  const schema = request?.content['application/json']?.schema
  if (!schema) return undefined
  return BODIES[nameOf(described)] ?? (inlined(documentOf(server.app), schema) as { example?: Record<string, unknown> }).example
}

/** Every parameter and field that names something by its id. */
const namesOfIds = (described: Described): string[] => [
  ...parameters(described, 'path').map((name) => idNamed(described, name)),
  ...[...parameters(described, 'query'), ...Object.keys(exampleOf(described) ?? {})].filter((name) => /_ids?$/.test(name)),
]

const harmOf = ({ door, method, name }: Guarded) => LAST.indexOf(name) * 100 + (door === 'parent' ? 10 : 0) + METHOD_ORDER.indexOf(method)

function toGuarded(described: Described): Guarded {
  const answers = Object.values(described.operation.responses) as OpenAPIV3.ResponseObject[]
  return {
    ...described,
    name: nameOf(described),
    door: parameters(described, 'header').includes('X-Child-ID') ? 'child' : 'parent',
    privateIds: PRIVATE_IDS.filter((id) => namesOfIds(described).includes(id)),
    body: exampleOf(described),
    accepts: answers.some(({ content }) => content?.['text/event-stream']) ? ['application/json', 'text/event-stream'] : ['application/json'],
  }
}

/** Gives a child one of everything that is stored about children, by using the app. */
async function liveThroughADay(token: string, childId: string, speaking: string, words: string): Promise<Omit<Ids, 'session_id'>> {
  const { api } = server
  const as = { token, child: childId }
  const done = async (answer: Promise<ApiResponse>) => {
    const { status, text, body } = await answer
    expect(status, text).toBeLessThan(300)
    return body.data
  }
  const spark = await done(api.get('/v1/brain-spark', as))
  const { conversation_id } = await done(api.post('/v1/conversations', { ...as, body: { conversation_type: 'brain_spark' }, key: newId() }))
  const speak = (conversation: string, said: number | string) => done(takeTurn(api, { token, childId } as Parameters<typeof takeTurn>[1], conversation, said))
  await speak(conversation_id, words)
  for (let count = 0; count < 6; count += 1) await speak(conversation_id, 0)
  const history = await done(api.get(`/v1/conversations/${conversation_id}/messages`, as))
  const message_id = history.findLast((message: { role: string }) => message.role === 'assistant').id
  await done(api.post(`/v1/conversations/${conversation_id}/messages/${message_id}/report`, { token: speaking }))
  const [{ id: flag_id }] = await done(api.get(`/v1/dashboard/flags?child_id=${childId}`, { token }))
  const talk = await done(api.post('/v1/conversations', { ...as, body: { topic_id: TOPIC.space }, key: newId() }))
  const words_id = (await speak(talk.conversation_id, 'Why do stars twinkle?')).user_message.id
  await giveStars(server, childId, 2_000)
  await done(api.post('/v1/shop/theme_ocean/purchase', { ...as, key: newId() }))
  return { child_id: childId, conversation_id, message_id, words_id, spark_id: spark.id, flag_id }
}

/** The rows of every table that mention one of the ids, as JSON. */
async function rowsNaming(ids: readonly string[]): Promise<Rows> {
  const { prisma } = server.deps.db
  const tables = await prisma.$queryRaw<{ name: string }[]>`
    SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`
  const found: [string, Record<string, unknown>[]][] = []
  for (const { name } of tables) {
    const sql = `SELECT coalesce(jsonb_agg(to_jsonb(r) ORDER BY r::text), '[]') AS rows FROM "${name}" r
      WHERE EXISTS (SELECT 1 FROM unnest($1::text[]) AS id WHERE strpos(r::text, id) > 0)`
    const [row] = await prisma.$queryRawUnsafe<{ rows: Record<string, unknown>[] }[]>(sql, ids)
    if (row && row.rows.length > 0) found.push([name, row.rows])
  }
  return Object.fromEntries(found)
}

/** The rows of the victim, of its parent and of their sessions. */
const victimRows = () => rowsNaming([victim.ids.child_id, victim.ids.session_id, claimsOf(victim.parentToken).sub as string])

/** Every UUID in the rows but those of topics, which everybody may know. */
function idsIn(rows: Rows): string[] {
  const columns = Object.values(rows).flatMap((table) => table.flatMap((row) => Object.entries(row)))
  const values = columns.filter(([column]) => !/topic/.test(column)).map(([, value]) => JSON.stringify(value))
  return values.flatMap((value) => value.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? []).filter((id) => !/^77[01]e8400-/.test(id))
}

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString('utf8')) as Record<string, unknown>
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The claims of a token, signed as somebody would who has not got the private key. */
function forgeriesOf(token: string): [how: string, forgery: string][] {
  const { publicPem, jwk } = server.deps.signingKey
  const content = (alg: string, claims = claimsOf(token)) => `${encoded({ alg, typ: 'JWT', kid: jwk.kid })}.${encoded(claims)}`
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const [rs, hs] = [content('RS256'), content('HS256')]
  return [
    ['signed by another key', `${rs}.${sign('sha256', Buffer.from(rs), privateKey).toString('base64url')}`],
    ['with alg none', `${content('none')}.AA`],
    ['with the public key as HS256 secret', `${hs}.${createHmac('sha256', publicPem).update(hs).digest('base64url')}`],
    ["under a stranger's signature", `${content('RS256')}.${stranger.parentToken.split('.')[2]}`],
  ]
}

beforeAll(async () => {
  server = await startTestServer()
  address = await server.listen()
  await relieved(server.app)
  const { api, clock } = server
  operations = operationsOf(documentOf(server.app)).filter(({ path }) => path.startsWith('/v1/'))
  guarded = operations
    .filter((described) => !isPublic(described))
    .map(toGuarded)
    .sort((a, b) => harmOf(a) - harmOf(b))

  const family = await makeFamily(api, { name: NAME, pin: PIN })
  const expired = { parent: family.token, child: await childToken(api, family, PIN) }
  clock.advance(31 * DAY)
  const member = async (parent: Parent, childId: string | undefined, words: string): Promise<Member> => {
    const { token } = await anotherDevice(api, parent)
    const id = childId ?? (await createChild(api, token, { name: 'Ada', pin: PIN }))
    const speaking = await childToken(api, { ...parent, token, childId: id }, PIN)
    const session_id = sessionOf((await anotherDevice(api, parent)).token)
    return { ids: { ...(await liveThroughADay(token, id, speaking, words)), session_id }, parentToken: token, childToken: speaking }
  }
  victim = await member(family, family.childId, WORDS)
  sibling = await member(family, undefined, 'Why do stars twinkle?')
  stranger = await member(await registerParent(api), undefined, 'What is a star?')

  const loggedOut = await anotherDevice(api, family)
  expect((await api.post('/v1/auth/logout', { token: loggedOut.token })).status).toBe(204)
  const revokedTablet = await childToken(api, { ...family, token: victim.parentToken }, PIN)
  expect((await api.delete(`/v1/auth/sessions/${sessionOf(revokedTablet)}`, { token: victim.parentToken })).status).toBe(204)
  const late = { ...family, token: victim.parentToken, childId: await createChild(api, victim.parentToken, { name: 'Noah' }) }
  const orphaned = await childToken(api, late)
  expect((await api.delete(`/v1/children/${late.childId}`, { token: victim.parentToken })).status).toBe(204)
  faultyTokens = [
    ['nobody', undefined, 'UNAUTHORIZED'],
    ['an expired parent token', expired.parent, 'TOKEN_EXPIRED'],
    ['an expired child token', expired.child, 'TOKEN_EXPIRED'],
    ['a logged out parent token', loggedOut.token, 'UNAUTHORIZED'],
    ['a revoked child token', revokedTablet, 'UNAUTHORIZED'],
    ["a deleted child's token", orphaned, 'UNAUTHORIZED'],
    ['a refresh token', (await anotherDevice(api, family)).refreshToken, 'UNAUTHORIZED'],
    ...forgeriesOf(victim.parentToken).map(([how, token]) => [`a parent token ${how}`, token, 'UNAUTHORIZED'] as const),
    ...forgeriesOf(victim.childToken).map(([how, token]) => [`a child token ${how}`, token, 'UNAUTHORIZED'] as const),
  ]
  expect((await api.post(`/v1/children/${family.childId}/activate`, { token: victim.parentToken, body: { pin: '9999' } })).status).toBe(403)
  rowsBefore = await victimRows()
  secrets = [...new Set([NAME, WORDS, family.email, victim.ids.session_id, ...idsIn(await rowsNaming([victim.ids.child_id]))])]
})
afterAll(() => server.close())

function send({ operation, token, child }: Pick<Attempt, 'operation' | 'token' | 'child'>, ids: Ids, accept = 'application/json') {
  const known: Readonly<Record<string, string | undefined>> = { ...COMMON_IDS, ...ids }
  const path = operation.path.replace(/\{(\w+)\}/g, (_match, name: string) => known[idNamed(operation, name)] as string)
  const asked = parameters(operation, 'query').filter((name) => name in ids)
  const query = asked.map((name) => `${name}=${known[name]}`).join('&')
  const body = operation.body && Object.fromEntries(Object.entries(operation.body).map(([field, value]) => [field, ids[field as PrivateId] ?? value]))
  const url = query ? `${path}?${query}` : path
  const request = { token, child, headers: { accept }, ...(operation.operation.requestBody && { body }) }
  const said = [url, JSON.stringify(body ?? null), child].join(' ')
  return { said, answer: server.api.send(operation.method.toUpperCase() as 'GET', url, request) }
}

/** What of the victim an answer tells, besides what the caller said. */
const toldBy = ({ text, headers }: ApiResponse, said: string) =>
  secrets.filter((secret) => !said.includes(secret) && `${text} ${JSON.stringify(headers)}`.includes(secret))

/** An answer without what differs from request to request. */
const seen = ({ status, body }: ApiResponse) => JSON.stringify({ status, error: { ...body?.error, request_id: undefined } })

async function faultsOf(attempt: Attempt): Promise<string[]> {
  const { who, operation, ids, expected, nobodys } = attempt
  const faults: string[] = []
  for (const accept of operation.accepts) {
    const { said, answer } = send(attempt, ids, accept)
    const response = await answer
    const got = `${response.status} ${response.body?.error?.code}`
    if (got !== expected) faults.push(`${who} at ${operation.name} gets ${got}, not ${expected}`)
    for (const secret of toldBy(response, said)) faults.push(`${who} at ${operation.name} is told ${secret}`)
    if (!nobodys) continue
    const missing = await send({ ...attempt, child: nobodys.child }, nobodys.ids, accept).answer
    if (seen(missing) !== seen(response)) faults.push(`${who} at ${operation.name} can tell a foreign id from none: ${seen(response)}, ${seen(missing)}`)
  }
  return faults
}

async function expectRefused(attempts: readonly Attempt[]): Promise<void> {
  expect(attempts.length).toBeGreaterThan(0)
  const faults: string[] = []
  for (const attempt of attempts) faults.push(...(await faultsOf(attempt)))
  expect(faults).toEqual([])
  expect(await victimRows()).toEqual(rowsBefore)
}

/** Where some ids of an operation are the victim's and the rest the caller's: all of them, and each alone. */
function mixtures(operation: Guarded, own: Ids): Pick<Attempt, 'ids' | 'nobodys'>[] {
  const { privateIds } = operation
  const choices = privateIds.length > 1 ? [privateIds, ...privateIds.map((id) => [id])] : [privateIds]
  const replaced = (names: readonly PrivateId[], of: (name: PrivateId) => string): Ids => ({ ...own, ...Object.fromEntries(names.map((id) => [id, of(id)])) })
  return choices.map((names) => ({ ids: replaced(names, (id) => victim.ids[id]), nobodys: { ids: replaced(names, newId) } }))
}

const at = (door: Guarded['door']) => guarded.filter((operation) => operation.door === door)

// The attack of the whole matrix: each route is asked by everybody who has no right to it, with a request that would do for
// those who have. The one route that forgot to ask who is calling is the one that is found.

// Attack: a route that was meant for families is reachable by anybody, because it does not say whom it is for.
it('has no public operation but those listed, and says of every other whom it is for', () => {
  expect(operations.filter(isPublic).map(nameOf).sort()).toEqual(PUBLIC)
  expect(guarded.filter(({ operation }) => JSON.stringify(operation.security) !== '[{"bearer":[]}]').map(nameOf)).toEqual([])
  expect(at('parent').length).toBeGreaterThan(15)
  expect(at('child').length).toBeGreaterThan(15)
})

it('knows a value for everything an operation names by id, and a body where one is due', () => {
  const known = new Set<string>([...PRIVATE_IDS, ...Object.keys(COMMON_IDS)])
  expect(guarded.flatMap((operation) => namesOfIds(operation).filter((name) => !known.has(name)))).toEqual([])
  expect(guarded.filter(({ operation, body }) => operation.requestBody && !body).map(nameOf)).toEqual([])
})

it('has a victim with a row in every table about children', async () => {
  const tables = await server.deps.db.prisma.$queryRaw<{ name: string }[]>`
    SELECT table_name AS name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'child_id' ORDER BY 1`
  expect(tables.length).toBeGreaterThan(15)
  const isVictims = (row: Record<string, unknown>) => row.child_id === victim.ids.child_id
  expect(tables.filter(({ name }) => !rowsBefore[name]?.some(isVictims)).map(({ name }) => name)).toEqual([])
})

// Attack: no token, an old one, one that was taken back, or one of the attacker's own making.
it('refuses every faulty token at every operation that is not public', async () => {
  await expectRefused(
    guarded.flatMap((operation) =>
      faultyTokens.map(([who, token, code]) => ({
        ...{ who, operation, token, ids: victim.ids, expected: `401 ${code}` },
        child: operation.door === 'child' ? victim.ids.child_id : undefined,
      })),
    ),
  )
})

// Attack: a child uses its tablet to lift its own limits, or to read what is told to parents.
it("refuses every child's token at every operation of parents", async () => {
  const children = [
    ['the child itself', victim],
    ['its sibling', sibling],
    ['a child of another family', stranger],
  ] as const
  await expectRefused(
    at('parent').flatMap((operation) =>
      children.map(([who, { childToken: token }]) => ({ who, operation, token, ids: victim.ids, expected: '403 FORBIDDEN' })),
    ),
  )
})

// Attack: a parent names the child of another family, in the header, the path or the query.
it("refuses another family's parent wherever a child is named", async () => {
  const who = 'a parent of another family'
  const common = { who, token: stranger.parentToken, expected: '403 CHILD_ACCESS_DENIED' }
  const byHeader = at('child').map((operation) => ({
    ...{ ...common, operation, child: victim.ids.child_id, ids: victim.ids },
    nobodys: { child: newId(), ids: victim.ids },
  }))
  const byId = at('parent').filter(({ privateIds }) => privateIds.includes('child_id'))
  const naming = byId.flatMap((operation) => mixtures(operation, stranger.ids).map((mixture) => ({ ...common, operation, ...mixture })))
  await expectRefused([...byHeader, ...naming.filter(({ ids }) => ids.child_id === victim.ids.child_id)])
})

// Attack: a child names its sibling, or any other child, in the header.
it('refuses a child token that names another child', async () => {
  const others = [
    ['its sibling', sibling],
    ['a child of another family', stranger],
  ] as const
  await expectRefused(
    at('child').flatMap((operation) =>
      others.map(([who, { childToken: token }]) => ({
        ...{ who, operation, token, child: victim.ids.child_id, ids: victim.ids, expected: '403 FORBIDDEN' },
        nobodys: { child: newId(), ids: victim.ids },
      })),
    ),
  )
})

// Attack: ids that leaked or were guessed are asked for by somebody who is let in, but for other children.
it('finds nothing under the ids of another child, as if they did not exist', async () => {
  const withIds = (door: Guarded['door']) => at(door).filter(({ privateIds }) => privateIds.length > 0 && !privateIds.includes('child_id'))
  const callers = [
    ['its sibling', sibling.childToken, undefined, sibling],
    ['a child of another family', stranger.childToken, undefined, stranger],
    ['a parent of another family, for their own child', stranger.parentToken, stranger.ids.child_id, stranger],
    ['its own parent, for its sibling', victim.parentToken, sibling.ids.child_id, sibling],
  ] as const
  const asChild = withIds('child').flatMap((operation) =>
    callers.flatMap(([who, token, child, { ids }]) =>
      mixtures(operation, ids).map((mixture) => ({
        ...{ who, operation, token, child, ids: mixture.ids, expected: '404 NOT_FOUND' },
        nobodys: mixture.nobodys && { child, ids: mixture.nobodys.ids },
      })),
    ),
  )
  const asParent = withIds('parent').flatMap((operation) =>
    mixtures(operation, stranger.ids).map((mixture) => ({
      ...{ who: 'a parent of another family', operation, token: stranger.parentToken, expected: '404 NOT_FOUND', ...mixture },
    })),
  )
  const parents = [
    ['a parent of another family, for their own child', stranger.parentToken, stranger],
    ['its own parent, for its sibling', victim.parentToken, sibling],
  ] as const
  const ofAChild = at('parent').filter(({ privateIds }) => privateIds.includes('child_id') && privateIds.length > 1)
  const forAnother = ofAChild.flatMap((operation) =>
    parents.flatMap(([who, token, { ids }]) => mixtures(operation, ids).map((mixture) => ({ who, operation, token, expected: '404 NOT_FOUND', ...mixture }))),
  )
  await expectRefused([...asChild, ...asParent, ...forAnother.filter(({ ids }) => ids.child_id !== victim.ids.child_id)])
})

// Attack: a list, a summary or a cache hands out what belongs to somebody else.
it('tells nobody about the child where they read about themselves', async () => {
  const faults: string[] = []
  const readers = [
    ['its sibling', 'child', sibling.childToken, sibling.ids],
    ['a child of another family', 'child', stranger.childToken, stranger.ids],
    ['a parent of another family', 'parent', stranger.parentToken, stranger.ids],
  ] as const
  for (const [who, door, token, ids] of readers) {
    for (const operation of at(door).filter(({ method }) => method === 'get')) {
      const { said, answer } = send({ operation, token }, ids)
      const response = await answer
      if (response.status !== 200) faults.push(`${who} at ${operation.name} gets ${response.status}`)
      for (const secret of toldBy(response, said)) faults.push(`${who} at ${operation.name} is told ${secret}`)
    }
  }
  expect(faults).toEqual([])
  expect(await victimRows()).toEqual(rowsBefore)
})

// Attack: the same callers come by the other door, where a child's words are said aloud.
it('closes the socket of everybody who may not listen to the child, without a frame', async () => {
  const callers = [
    ...faultyTokens.map(([who, token]) => [who, token, token === undefined ? 4400 : 4401] as const),
    ['its sibling', sibling.childToken, 4403] as const,
    ['a child of another family', stranger.childToken, 4403] as const,
    ['a parent of another family', stranger.parentToken, 4403] as const,
  ]
  const outcomes = callers.flatMap(([who, token, code]) =>
    ['/v1/ws', '/ws'].map(async (path) => {
      const socket = await openSocket(address, path)
      socket.send({ type: 'auth', token, child_id: victim.ids.child_id })
      return { got: [who, path, await socket.closed, socket.frames], expected: [who, path, code, []] }
    }),
  )
  const closed = await Promise.all(outcomes)
  expect(closed.map(({ got }) => got)).toEqual(closed.map(({ expected }) => expected))
})

// Without this a refusal would prove nothing: the requests might be wrong for everybody.
it('lets the child and its own parent in by the very same requests', async () => {
  const refused: string[] = []
  const email = claimsOf(victim.parentToken).email as string
  for (const operation of guarded) {
    const parentToken = LAST.includes(operation.name) ? (await anotherDevice(server.api, { email } as Parent)).token : victim.parentToken
    const token = operation.door === 'child' ? victim.childToken : parentToken
    const { status, body } = await send({ operation, token }, victim.ids).answer
    if (status >= 300) refused.push(`${operation.name} answers ${status} ${body?.error?.code}`)
  }
  // There is no missed day to freeze.
  expect(refused).toEqual(['post /v1/streaks/freeze answers 409 CONFLICT'])
  expect(await victimRows()).not.toEqual(rowsBefore)
})
