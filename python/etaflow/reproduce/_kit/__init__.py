"""What every reproduction needs: an output folder, resumption, progress, figures, words, and the shape of a result.

An experiment is a folder ``reproduce/NAME/`` with one function, which is registered in `etaflow.reproduce.REPRODUCTIONS`. Its
keyword arguments are the options of ``etaflow reproduce NAME``; ``out``, ``scale``, ``seed``, ``threads``, ``resume``,
``overwrite`` and ``progress`` belong to every one. None stands for an option that was not given. The function

1. checks its arguments by `conduct.check_call` and has all that decides the numbers as a frozen dataclass, a
   `settings.ScaledSettings`; if ``resume`` is set it comes from the folder, and a wish that differs is refused;
2. enters `conduct.Call.job`, which refuses to lose another job, and empties the folder of what belongs to the experiment;
3. does its phases through a `work.Job`: `work.Job.keep` for a phase that is a function with arrays as its value, kept in
   ``checkpoints/NAME.npz``; `work.Job.descend` for a long call of `descend` with a checkpoint of its own. A phase that is done
   is never done twice. The job tells how far it is, in parts of the phases' expected costs;
4. catches KeyboardInterrupt around all phases, so that what is finished is written in any case;
5. writes figures (`figures`), tables, ``summary.json`` with ``"complete"``, and ``summary.md``, whose first lines answer the
   question in words and numbers (`answers`; `text` has tables and intervals), by `conduct.Call.products`, and returns a `result.Result`.
   If the job to be resumed is complete (`conduct.Call.is_restored`), nothing is drawn or written. What comes before the first ``## `` of the summary is what a terminal shows: the questions and their answers, no table.

Same settings, same bytes: no date, no duration and no absolute path is in a file, except the path in the command that goes on.
"""
