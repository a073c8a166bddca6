// Prints how well the search answers children's questions: `npm run eval:retrieval [-- --misses]`.
// `--misses` names the questions missed, but never those held out.
import { AGE_GROUPS } from '../../../src/family/age-groups.ts'
import { loadCurriculum } from '../../../src/learning/curriculum/curriculum.ts'
import { passageRetrieval } from '../../../src/learning/tutor/retrieval.ts'
import { ANSWERABLE, elsewhere, evaluate, type Figures, isHeldOut, UNANSWERABLE } from './evaluate.ts'

const curriculum = loadCurriculum()
const retrieval = passageRetrieval(curriculum)
const percent = (share: number) => `${(share * 100).toFixed(1)} %`.padStart(12)
const columns = ['first', 'firstThree', 'answered', 'misled', 'unknown'] as const
const row = (name: string, figures: Figures) =>
  `${name.padEnd(26)}${String(figures.questions).padStart(5)}${columns.map((column) => percent(figures[column])).join('')}\n`

const tuned = ANSWERABLE.filter((_question, index) => !isHeldOut(index))
const tunedFigures = evaluate(curriculum, retrieval, tuned)
const unanswerableTuned = UNANSWERABLE.filter((_question, index) => !isHeldOut(index))
const unanswerableFigures = evaluate(curriculum, retrieval, unanswerableTuned)
process.stdout.write(
  `${''.padEnd(26)}${'asked'.padStart(5)}${['first', 'in three', 'answered', 'misled', 'unknown'].map((name) => name.padStart(12)).join('')}\n`,
)
process.stdout.write(row('answerable, tuned on', tunedFigures))
for (const age of AGE_GROUPS)
  process.stdout.write(
    row(
      `  ${age}`,
      evaluate(
        curriculum,
        retrieval,
        tuned.filter((question) => question.age === age),
      ),
    ),
  )
process.stdout.write(
  row(
    'answerable, held out',
    evaluate(
      curriculum,
      retrieval,
      ANSWERABLE.filter((_question, index) => isHeldOut(index)),
    ),
  ),
)
process.stdout.write(
  row(
    '  asked elsewhere',
    evaluate(
      curriculum,
      retrieval,
      elsewhere(
        curriculum,
        ANSWERABLE.filter((_question, index) => isHeldOut(index)),
      ),
    ),
  ),
)
process.stdout.write(row('unanswerable, tuned on', unanswerableFigures))
process.stdout.write(
  row(
    'unanswerable, held out',
    evaluate(
      curriculum,
      retrieval,
      UNANSWERABLE.filter((_question, index) => isHeldOut(index)),
    ),
  ),
)
if (process.argv.includes('--misses')) process.stdout.write(`${[...tunedFigures.misses, ...unanswerableFigures.misses].join('\n')}\n`)
