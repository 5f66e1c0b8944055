"""w2sg.losses"""
