"""The stages of the main job, each a function of a project directory.

    float training -> circuits and commitments -> plan of the run -> proofs -> audit -> chain

Every stage reads what the stages before it stored, stores what it made, and can be run again: it
does only what is missing. The command line calls these and nothing else.
"""
