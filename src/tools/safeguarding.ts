// What waits for those who answer for child protection: `npm run safeguarding -- list | show <flag id> | acknowledge <flag id>`.
// It works on the database that the server's configuration names, and prints what the family is not shown: to this terminal alone.
import { loadConfig } from '../config.ts'
import { isoSeconds, systemClock } from '../platform/clock.ts'
import { openDatabase } from '../platform/db/database.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../platform/db/embedded.ts'
import { isUuid } from '../platform/ids.ts'
import { type Disclosure, type SafeguardingService, safeguardingService } from '../safety/safeguarding.service.ts'

const USAGE = 'usage: npm run safeguarding -- list | show <flag id> | acknowledge <flag id>\n'
const NO_SUCH_FLAG = 'There is no flag for safeguarding with this id.\n'

async function list(desk: SafeguardingService): Promise<string> {
  const open = await desk.open()
  const lines = open.map((flag) => `${flag.id}  ${isoSeconds(flag.createdAt)}  ${flag.alertedAt ? `mailed ${isoSeconds(flag.alertedAt)}` : 'not mailed'}\n`)
  return open.length === 0 ? 'Nothing waits.\n' : lines.join('')
}

/** Families can write anything: nothing of it may steer the terminal or pass for a line of ours. */
const harmless = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ')

const described = ({ id, category, severity, createdAt, acknowledgedAt, conversationId, messageId, child, childId, parent, words }: Disclosure): string => {
  const lines = words.map(
    (message) =>
      `${message.messageId === messageId ? '>' : ' '} ${isoSeconds(message.at)}  ${message.role === 'user' ? 'child' : 'tutor'}: ${harmless(message.content)}\n`,
  )
  return `
flag           ${id}
found          ${category}, ${severity}, ${isoSeconds(createdAt)}
acknowledged   ${acknowledgedAt ? isoSeconds(acknowledgedAt) : 'not yet'}
child          ${harmless(child.name)}, born ${child.birthDate} (${childId})
account        ${harmless(parent.name)}, ${harmless(parent.email)}, ${parent.timezone}
conversation   ${conversationId}

${lines.join('')}
`
}

/** What to print; undefined when there is no such flag. */
async function answer(desk: SafeguardingService, command: string, flagId: string): Promise<string | undefined> {
  if (command === 'list') return list(desk)
  if (command === 'show') {
    const found = await desk.show(flagId)
    return found && described(found)
  }
  const flag = await desk.acknowledge(flagId)
  return flag?.acknowledgedAt ? `Acknowledged at ${isoSeconds(flag.acknowledgedAt)}.\n` : undefined
}

/** Carries out a command on the configured database, which a server has set up before. Throws when it is not to be had. */
async function carryOut(command: string, flagId: string): Promise<string | undefined> {
  const { database, dataDir } = loadConfig(process.env)
  const embedded = database.url === undefined ? await startEmbeddedPostgres({ dataDir, database: 'brainspark' }) : undefined
  const db = openDatabase(database.url ?? (embedded as EmbeddedPostgres).url, 1, () => {})
  try {
    return await answer(safeguardingService(db, systemClock), command, flagId)
  } finally {
    await db.close()
    await embedded?.stop()
  }
}

function fail(text: string): void {
  process.stderr.write(text)
  process.exitCode = 1
}

const [command = '', flagId = ''] = process.argv.slice(2)
if (command === 'list' || (['show', 'acknowledge'].includes(command) && isUuid(flagId))) {
  try {
    const text = await carryOut(command, flagId)
    if (text === undefined) fail(NO_SUCH_FLAG)
    else process.stdout.write(text)
  } catch (error) {
    fail(`${(error as Error).message}\n`)
  }
} else fail(USAGE)
