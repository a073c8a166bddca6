// Lets difficult children talk with the tutor that the environment configures, and measures every reply:
// `npm run eval:tutor [-- --replies]`, with OPENAI_API_KEY, OPENAI_BASE_URL and TUTOR_MODEL for a language model.
// `--replies` quotes the replies that failed. Exit code 1 when fewer replies than aimed at meet a criterion.
import { loadConfig } from '../../../src/config.ts'
import { openLogger, openTutor } from '../../../src/deps.ts'
import { loadCurriculum } from '../../../src/learning/curriculum/curriculum.ts'
import { builtinTutor } from '../../../src/learning/tutor/builtin.ts'
import { passageRetrieval } from '../../../src/learning/tutor/retrieval.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { localModerators } from '../../../src/safety/moderation/moderation.ts'
import { CHILDREN } from './children.ts'
import { evaluate, type Report, shareOf, type Tally } from './evaluate.ts'

const percent = (share: number) => `${(share * 100).toFixed(1)} %`
const line = (name: string, cells: readonly string[]) => process.stdout.write(`${name.padEnd(18)}${cells.map((cell) => cell.padStart(10)).join('')}\n`)
const counted = ({ passes, replies }: Tally) => (replies === 0 ? '' : `${passes}/${replies}`)

function print({ criteria, replies, overall, byKind, failures, underAim }: Report): void {
  line('', ['passes', 'share', 'aim', ...byKind.keys()])
  for (const { name, aim } of criteria) {
    const tally = overall.get(name) as Tally
    if (tally.replies > 0)
      line(name, [counted(tally), percent(shareOf(tally)), percent(aim), ...[...byKind.values()].map((tallies) => counted(tallies.get(name) as Tally))])
  }
  process.stdout.write(`\n${CHILDREN.length} children, ${replies} replies\n`)
  for (const { name } of criteria) {
    const failed = failures.filter(({ criterion }) => criterion === name)
    if (failed.length > 0) process.stdout.write(`${name}: ${failed.map(({ exchange: { child, number } }) => `${child.name} ${number}`).join(', ')}\n`)
  }
  if (process.argv.includes('--replies'))
    for (const { criterion, exchange } of failures)
      process.stdout.write(`\n${criterion}: ${exchange.child.name} ${exchange.number}: ${exchange.said}\n  ${exchange.reply.text}\n`)
  process.stdout.write(underAim.length > 0 ? `under the aim: ${underAim.join(', ')}\n` : 'every aim is met\n')
}

const { languageModel, logLevel } = loadConfig(process.env)
const curriculum = loadCurriculum()
const retrieval = passageRetrieval(curriculum)
const builtin = builtinTutor(curriculum, retrieval, 0)
const { moderate, moderateReply, pointsAtCaregiver } = localModerators()
const logger = openLogger(logLevel, process.stderr)
const tutor = await openTutor(languageModel, { builtin, curriculum, retrieval, moderateReply, pointsAtCaregiver, clock: systemClock }, logger)
process.stdout.write(`${languageModel?.model ?? 'the builtin tutor'}\n\n`)
const report = await evaluate(CHILDREN, { curriculum, retrieval, builtin, tutor, moderate, moderateReply })
print(report)
process.exitCode = report.underAim.length > 0 ? 1 : 0
