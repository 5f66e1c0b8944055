"""w2sg.stages"""
