"""w2sg.report"""
